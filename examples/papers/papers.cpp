#include "papers/papers.h"

#include <array>

namespace papers {

std::span<const Paper> all() {
  static constexpr std::array papers{
      Paper{"pascanu", "Clipping the gradient", "Pascanu, Mikolov & Bengio 2012", "", clipping},
      Paper{"saxe", "Linear networks learn mode by mode", "Saxe, McClelland & Ganguli 2013", "", linear_network},
      Paper{"glorot-scale", "Scale at initialization", "Glorot & Bengio 2010, figures 6 and 7", "", scale},
      Paper{"he", "Initialization for ReLU", "He et al. 2015", "400 of 2000 steps of training", rectifier_init},
      Paper{"klambauer", "Self-normalizing networks", "Klambauer et al. 2017", "", self_normalizing},
      Paper{"balduzzi", "Shattered gradients", "Balduzzi et al. 2017", "20 of 50 networks", shattered_gradients},
      Paper{"lu", "Networks dead at birth", "Lu et al. 2019", "", dead_at_birth},
      Paper{"glorot-saturation", "Deep sigmoid networks stall", "Glorot & Bengio 2010, figure 2",
            "fewer steps after the stall", saturation},
      Paper{"high-rate", "A high learning rate kills ReLU units", "Maas, Hannun & Ng 2013",
            "7 of 41 seeds at 0.1 and 0.3", dead_by_rate},
      Paper{"fashion", "Fashion-MNIST", "Xiao, Rasul & Vollgraf 2017", "", fashion},
      Paper{"mnist", "MNIST", "LeCun et al. 1998 and others", "the longest training is skipped", mnist},
  };
  return papers;
}

tg::Matrix standard_normal(tg::Index rows, tg::Index cols, tg::Rng& rng) {
  tg::Matrix x(rows, cols);
  for (float& v : x.reshaped<Eigen::RowMajor>()) v = static_cast<float>(rng.normal());
  return x;
}

}  // namespace papers
