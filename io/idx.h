#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tapegrad/io/dataset.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/// IDX is the format of MNIST: the bytes 0, 0, element type, number of dimensions; the dimensions as big-endian
/// 32-bit numbers; the elements. Plain or gzipped is told from the content, never from the file's name. Memory
/// grows with the bytes that the file really holds, whatever its header says.

/** Larger files are refused. */
inline constexpr std::int64_t idx_max_bytes = std::int64_t{1} << 30;

/** `count` pictures of rows x cols pixels 0 … 255, one after the other, each row by row. */
struct IdxImages {
  Index count = 0;
  Index rows = 0;
  Index cols = 0;
  std::vector<std::uint8_t> pixels;
};

/** Reads three-dimensional unsigned bytes. Throws unless the file is whole and exactly as long as its header says:
 * "[idx] train-images.gz: header says 60000x28x28 = 47040000 bytes, file holds 9912406". */
IdxImages read_idx_images(const std::string& path);

/** Reads one-dimensional unsigned bytes, each of them a label 0 … classes − 1. Throws like read_idx_images, and
 * "[idx] labels: label 10 at index 3 is not one of 0 to 9". */
std::vector<int> read_idx_labels(const std::string& path, int classes = 10);

enum class Split { train, test };

/** MNIST, or a set of the same form such as Fashion-MNIST, EMNIST or QMNIST: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`
 * (or `t10k-…`, `test-…`) in the folder `dir`, each of them plain or with `.gz`. Other forms of these names are found: with a dot
 * (`train-images.idx3-ubyte`), in a folder of the same name, and behind a prefix, which `dir` ends in where a folder holds several
 * sets: "emnist/emnist-letters". Bytes are scaled to [0, 1]; int32 and float are taken as they are; samples have one to three
 * dimensions. There are 10 classes, or as many as the labels of both parts say; those that are counted from 1 (EMNIST letters)
 * become 0 to 25, and `class_names` says what they were. Keeps the first `limit` samples, 0 keeps all. Throws when a file is missing
 * or wrong, and when the counts disagree.
 *
 *      Dataset train = load_mnist("/usr/share/datasets/fashion-mnist", Split::train);   // inputs 60000x784 */
template <class T> BasicDataset<T> load_mnist(const std::string& dir, Split split, Index limit = 0);

}  // namespace tapegrad

TAPEGRAD_FUNCTION(Dataset, load_mnist, (const std::string& dir, Split split, Index limit = 0), (dir, split, limit))
