#pragma once

/// Included before everything else in a build with mutants: `tapegrad_mutant<7>()` is whether number 7 is the chosen one, and notes
/// that it was asked. What the compiler computes is never mutated. The section `mutants` has the numbers of those that are in the
/// program: not those in a template that nobody uses or for another machine.

extern int tapegrad_chosen_mutant;
extern unsigned char tapegrad_mutant_reached[1 << 14];

template <int number> [[gnu::always_inline]] constexpr bool tapegrad_mutant() {
  if (__builtin_is_constant_evaluated()) return false;
  asm(".pushsection mutants, \"\", @progbits\n.long %c0\n.popsection" ::"i"(number));
  tapegrad_mutant_reached[number] = 1;
  return __builtin_expect(tapegrad_chosen_mutant == number, 0);
}
