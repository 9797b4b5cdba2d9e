// Eight lessons: settings, what to look at, and a question that is asked before Play is pressed.

import type { Config } from './config';
import { byId, element } from './dom';

export interface Lesson {
  title: string; settings: Partial<Config>; twins?: string[];
  text: string; question: string; answers: string[]; right: number; explanation: string;
  next?: { text: string; settings: Partial<Config>; twins?: string[] };
}

export const lessons: Lesson[] = [
  {
    title: 'A line cannot do XOR',
    settings: { data: 'xor', points: 200, noise: 0.08, validation: 0.2, hidden: [], activation: 'identity', lr: 0.3 },
    text: 'Four clouds, and opposite corners belong together. The network has no hidden layer: its output is σ(w·x + b).',
    question: 'What accuracy will it reach?', answers: ['100 %', 'three of the four clouds at best', '0 %'], right: 1,
    explanation: 'Where σ(w·x + b) = ½ is a straight line, and no line puts opposite corners on one side. The best line gets three of the four clouds; the least loss is near ln 2 = 0.693, which is guessing.',
    next: { text: 'Give it a hidden layer of 4 tanh units', settings: { data: 'xor', points: 200, noise: 0.08, hidden: [4], activation: 'tanh', lr: 0.3 } },
  },
  {
    title: 'Sigmoid saturates',
    settings: { data: 'moons', hidden: [8, 8], activation: 'sigmoid', initializer: 'xavier_normal', inputScale: 100, lr: 0.1 },
    text: 'The inputs are a hundred times too large, so that z of the first layer is far from 0. Look at the lens: the shaded part is where |f′| is below a tenth of its maximum.',
    question: 'Where will z of layer 1 lie?', answers: ['around 0', 'in the shaded part'], right: 1,
    explanation: 'Nearly all z lie where sigmoid is flat. The gradient is multiplied by f′ there, so the weights below hardly move. The finding names the cause, the inputs, and its remedy is to standardize them.',
    next: { text: 'Standardize the inputs', settings: { data: 'moons', hidden: [8, 8], activation: 'sigmoid', inputScale: 100, standardized: true, lr: 0.1 } },
  },
  {
    title: 'The gradient through ten layers',
    settings: { data: 'circles', hidden: Array(10).fill(8), activation: 'sigmoid', initializer: 'xavier_normal', lr: 0.1 },
    text: 'Ten layers of sigmoid. sigmoid has f′ ≤ ¼, so that every layer can only make the gradient smaller, unless the weights make up for it.',
    question: 'How large is the gradient of layer 1, compared with that of layer 10?', answers: ['about as large', 'ten times smaller', 'a million times smaller'], right: 2,
    explanation: 'Each step back multiplies by about ¼ of f′ and by what the weights do. The bars of the gradient show it, one division being a factor of ten, and the loss stays at ln 2.',
    next: { text: 'Put tanh in its place', settings: { data: 'circles', hidden: Array(10).fill(8), activation: 'tanh', initializer: 'xavier_normal', lr: 0.1 } },
  },
  {
    title: 'Initialization',
    settings: { data: 'circles', hidden: [8, 8], activation: 'tanh', initializer: 'zeros', lr: 0.1 },
    text: 'All weights begin at 0, as if that were neutral.',
    question: 'What will the units of a layer learn?', answers: ['different things', 'all the same, or nothing'], right: 1,
    explanation: 'Units with the same weights get the same gradient, and stay the same for ever. With 0 everywhere no gradient passes at all. Random weights break the symmetry; their size is chosen so that z keeps its spread from layer to layer (Xavier, He).',
    next: { text: 'Begin with xavier_normal', settings: { data: 'circles', hidden: [8, 8], activation: 'tanh', initializer: 'xavier_normal', lr: 0.1 } },
  },
  {
    title: 'A ReLU dies',
    settings: { data: 'moons', hidden: [8, 8], activation: 'relu', initializer: 'he_normal', lr: 3, batch: 10 },
    text: 'ReLU with a learning rate of 3. A large step can push a unit to where it is off for every point. There f′ is 0, no gradient reaches its weights, and nothing brings it back.',
    question: 'What will happen to the units?', answers: ['all learn', 'some die', 'they saturate high'], right: 1,
    explanation: 'Units with the frame of the dead are off on every training point; point at one to read its death certificate: the step, and by how much the update before moved its weights. “Revive the dead” gives them new weights.',
    next: { text: 'The same with a learning rate of 0.1', settings: { data: 'moons', hidden: [8, 8], activation: 'relu', initializer: 'he_normal', lr: 0.1, batch: 10 } },
  },
  {
    title: 'Leaky ReLU, ELU, swish',
    settings: { data: 'moons', hidden: [8, 8], activation: 'leaky_relu', initializer: 'he_normal', lr: 1, batch: 10 }, twins: ['elu', 'swish'],
    text: 'Three twins with the same seed and the same batches, at a high learning rate. Left of 0 each of them lets some gradient through.',
    question: 'Can a leaky ReLU die?', answers: ['yes, as ReLU does', 'no: its f′ is never 0'], right: 1,
    explanation: 'f′ is 0.01 for negative z: small, but not 0, so that the unit comes back. ELU and swish have f′ near 0 far to the left; there they fall asleep, and only where eᶻ rounds to 0, below −100, are they dead.',
  },
  {
    title: 'The learning rate',
    settings: { data: 'circles', hidden: [8, 8], activation: 'tanh', lr: 0.001 },
    text: 'A learning rate of 0.001. Look at the update ratio ‖Δw‖/‖w‖: around 0.001 is healthy.',
    question: 'What will the loss do?', answers: ['fall fast', 'hardly move', 'explode'], right: 1,
    explanation: 'The updates are too small to be seen. Raise the rate to 0.1 while it trains: the network is kept. At 30 the updates are as large as the weights, and the loss jumps.',
    next: { text: 'A learning rate of 30', settings: { data: 'circles', hidden: [8, 8], activation: 'tanh', lr: 30 } },
  },
  {
    title: 'Softmax twice',
    settings: { data: 'moons', hidden: [8, 8], activation: 'tanh', softmaxTwice: true, lr: 0.1 },
    text: 'The network ends with softmax, and the loss (cross_entropy) applies softmax again: a common mistake that raises no error.',
    question: 'How small can the loss become?', answers: ['0', 'not below 0.313'], right: 1,
    explanation: 'The second softmax gets numbers between 0 and 1, so the most certain answer is e/(e + 1) = 0.731, and the loss cannot be below −ln 0.731 = 0.313. The accuracy can still be good, which hides the mistake.',
    next: { text: 'Leave softmax out', settings: { data: 'moons', hidden: [8, 8], activation: 'tanh', lr: 0.1 } },
  },
];

export class LessonView {
  constructor(private set: (settings: Partial<Config>, twins: string[]) => void) {
    byId('lessons').append(element('b', {}, 'Lessons'), ...lessons.map((lesson, i) =>
      element('button', { type: 'button', onclick: () => this.open(i) }, `${i + 1} ${lesson.title}`)));
  }

  open(index: number): void {
    const lesson = lessons[index];
    document.querySelectorAll('#lessons button').forEach((b, i) => b.setAttribute('aria-current', String(i === index)));
    this.set(lesson.settings, lesson.twins ?? []);
    const root = byId('lesson');
    root.hidden = false;
    const after = element('div', { hidden: true });
    const buttons = lesson.answers.map((answer, i) => element('button', { type: 'button', 'aria-pressed': 'false', onclick: () => {
      buttons.forEach((b, k) => b.setAttribute('aria-pressed', String(k === i)));
      after.replaceChildren(element('p', {}, element('b', {}, i === lesson.right ? 'That is it. ' : 'Not quite. '), `${lesson.explanation} Press Play to see it.`));
      const next = lesson.next;
      if (next) after.append(element('div', { class: 'answers' }, element('button', { type: 'button', onclick: () => this.set(next.settings, next.twins ?? []) }, next.text)));
      after.hidden = false;
    } }, answer));
    root.replaceChildren(element('h2', {}, `${index + 1}. ${lesson.title}`), element('p', {}, lesson.text),
      element('p', {}, element('b', {}, lesson.question)), element('div', { class: 'answers' }, ...buttons,
        element('button', { type: 'button', onclick: () => this.close() }, 'Close the lesson')), after);
  }
  close(): void {
    byId('lesson').hidden = true;
    document.querySelectorAll('#lessons button').forEach((b) => b.setAttribute('aria-current', 'false'));
  }
}
