# With Emscripten, what the library needs is taken from Debian's headers, each folder by itself: /usr/include as a whole would hide
# Emscripten's own C library. A browser has no files: what reads and writes them (idx with zlib, weights, checkpoints) is left out.
find_path(wasm_eigen Eigen/Dense PATHS /usr/include/eigen3 NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH REQUIRED)
find_path(wasm_fmt fmt/format.h PATHS /usr/include NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH REQUIRED)
set(wasm_include ${PROJECT_BINARY_DIR}/dependencies)
file(MAKE_DIRECTORY ${wasm_include})
file(CREATE_LINK ${wasm_fmt}/fmt ${wasm_include}/fmt SYMBOLIC)

# Packs are registers of SSE, which Emscripten's headers translate to those of WebAssembly; they come before Clang's own. Without
# them the engine does half as many steps per second.
include_directories(BEFORE ${PROJECT_SOURCE_DIR}/cmake/wasm ${EMSCRIPTEN_SYSROOT}/include/compat)

add_library(Eigen3::Eigen INTERFACE IMPORTED)
target_include_directories(Eigen3::Eigen INTERFACE ${wasm_eigen})
add_library(fmt::fmt INTERFACE IMPORTED)
add_library(fmt::fmt-header-only INTERFACE IMPORTED)
target_include_directories(fmt::fmt-header-only INTERFACE ${wasm_include})
target_compile_definitions(fmt::fmt-header-only INTERFACE FMT_HEADER_ONLY=1)
add_library(ZLIB::ZLIB INTERFACE IMPORTED)
add_library(Threads::Threads INTERFACE IMPORTED)
