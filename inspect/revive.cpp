#include "tapegrad/inspect/revive.h"

#include <algorithm>
#include <tuple>

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

template <class T> void check(const BasicLinear<T>& in, const std::vector<bool>& dead, const BasicLinear<T>& out) {
  const auto units = static_cast<Index>(dead.size());
  if (in.weight.shape().rows != units || out.weight.shape().cols != units)
    fail("revive", std::to_string(units) + " marks do not fit the weights " + to_string(in.weight.shape()) +
                       " and " + to_string(out.weight.shape()));
}

}  // namespace

template <class T>
Index revive(BasicLinear<T>& in, const std::vector<bool>& dead, BasicLinear<T>& out, Rng& rng,
             const ReviveOptions& options) {
  check(in, dead, out);
  const auto count = static_cast<Index>(std::count(dead.begin(), dead.end(), true));
  if (count == 0) return 0;
  const auto [units, inputs] = in.weight.shape();
  const BasicMatrix<double> fresh = options.weight_init({count, inputs}, Fans{inputs, units}, rng);
  Index next = 0;
  for (Index unit = 0; unit < units; ++unit) {
    if (!dead[static_cast<std::size_t>(unit)]) continue;
    in.weight.mutable_value().row(unit) = fresh.row(next++).template cast<T>();
    if (in.has_bias()) in.bias.mutable_value()(0, unit) = static_cast<T>(options.bias);
    if (options.outgoing == Outgoing::zero) out.weight.mutable_value().col(unit).setZero();
  }
  return count;
}

template <class T>
Index revive_dead(BasicSequential<T>& net, const std::vector<UnitCensus>& census, Rng& rng,
                  const ReviveOptions& options) {
  std::vector<std::tuple<BasicLinear<T>*, const std::vector<bool>*, BasicLinear<T>*>> work;
  for (const UnitCensus& units : census) {
    if (std::none_of(units.dead.begin(), units.dead.end(), [](bool dead) { return dead; })) continue;
    BasicLinear<T>* in = nullptr;
    BasicLinear<T>* out = nullptr;
    for (std::size_t i = 1; i + 1 < net.size(); ++i) {
      if (units.path != std::to_string(i)) continue;
      in = dynamic_cast<BasicLinear<T>*>(&net[i - 1]);
      out = dynamic_cast<BasicLinear<T>*>(&net[i + 1]);
    }
    if (in == nullptr || out == nullptr)
      fail("revive", "layer '" + units.path + "' does not stand between two linear layers");
    check(*in, units.dead, *out);
    work.emplace_back(in, &units.dead, out);
  }
  Index count = 0;
  for (const auto& [in, dead, out] : work) count += revive(*in, *dead, *out, rng, options);
  return count;
}

#define TAPEGRAD_FUNCTIONS(T)                                                                                    \
  template Index revive(BasicLinear<T>&, const std::vector<bool>&, BasicLinear<T>&, Rng&, const ReviveOptions&); \
  template Index revive_dead(BasicSequential<T>&, const std::vector<UnitCensus>&, Rng&, const ReviveOptions&);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
