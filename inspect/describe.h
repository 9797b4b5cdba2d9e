#pragma once

#include <span>
#include <type_traits>

#include "tapegrad/core/types.h"
#include "tapegrad/inspect/record.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** What findings judge of a data set, over all of its rows: scale of every column, values that are not finite, how
 * often each label comes. Give it to a Monitor; preflight() does it by itself.
 *
 *      Monitor monitor(net, {.classes = data.classes, .data = describe(data.inputs, data.labels)});
 *
 * Throws where there are not as many labels or targets as rows, and for a label below 0. */
template <class T>
DataRecord describe(const BasicMatrix<T>& inputs, std::span<const int> labels,
                    std::type_identity_t<Index> classes = 0);
/** The same for targets that are numbers; where they stand for classes (0 and 1, or one 1 in every row), these are counted. */
template <class T>
DataRecord describe(const BasicMatrix<T>& inputs, const std::type_identity_t<BasicMatrix<T>>& targets);

/** The same of the inputs alone. */
template <class T> DataRecord describe(const BasicMatrix<T>& inputs);

}  // namespace tapegrad
