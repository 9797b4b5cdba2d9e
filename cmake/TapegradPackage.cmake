# Installation: libraries, public headers, the scripts of reports, and what find_package, pkg-config and CPack need.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Eigen's alignment with the compiler flags of this directory, as a number: a program must have the same.
include(${CMAKE_CURRENT_LIST_DIR}/TapegradAlignment.cmake)
tapegrad_alignment(TAPEGRAD_ALIGNMENT "${PROJECT_BINARY_DIR}")
separate_arguments(TAPEGRAD_MACHINE_FLAGS NATIVE_COMMAND "${CMAKE_CXX_FLAGS}")
list(FILTER TAPEGRAD_MACHINE_FLAGS INCLUDE REGEX "^-m")
list(JOIN TAPEGRAD_MACHINE_FLAGS " " TAPEGRAD_MACHINE_FLAGS)

set(TAPEGRAD_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/tapegrad)
set(targets tapegrad tapegrad_core)
set(TAPEGRAD_PC_LIBS -ltapegrad_core)
if(TAPEGRAD_REPORT)
  list(APPEND targets tapegrad_report)
  set(TAPEGRAD_PC_LIBS "-ltapegrad_report -ltapegrad_core")
endif()
set(TAPEGRAD_HEADERS tapegrad/tapegrad.h)
if(TAPEGRAD_ONNX)
  list(APPEND targets tapegrad_onnx)
  list(APPEND TAPEGRAD_HEADERS tapegrad/io/onnx.h)
endif()
install(TARGETS ${targets} EXPORT tapegradTargets)
configure_file(${CMAKE_CURRENT_LIST_DIR}/install_headers.cmake.in install_headers.cmake @ONLY)
install(SCRIPT ${PROJECT_BINARY_DIR}/install_headers.cmake)
# Where a report looks for them is in inspect/report/page.cpp: beside the include folder.
install(DIRECTORY ${TAPEGRAD_VEGA_DIR} DESTINATION share/tapegrad OPTIONAL)

install(EXPORT tapegradTargets NAMESPACE tapegrad:: DESTINATION ${TAPEGRAD_CMAKE_DIR})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/tapegradConfig.cmake.in tapegradConfig.cmake
                              INSTALL_DESTINATION ${TAPEGRAD_CMAKE_DIR})
write_basic_package_version_file(tapegradConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/tapegradConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/tapegradConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/TapegradAlignment.cmake DESTINATION ${TAPEGRAD_CMAKE_DIR})

# The prefix of tapegrad.pc is where the file lies, so a moved folder works.
file(RELATIVE_PATH TAPEGRAD_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" TAPEGRAD_PC_TO_PREFIX ${TAPEGRAD_PC_TO_PREFIX})
list(JOIN ${TAPEGRAD_MATMUL}_LIBRARIES " " TAPEGRAD_PC_MATMUL)
get_target_property(eigen Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
string(REGEX REPLACE ".*\\$<BUILD_INTERFACE:([^>]*)>.*" "\\1" TAPEGRAD_EIGEN_DIR "${eigen}")
list(GET TAPEGRAD_EIGEN_DIR 0 TAPEGRAD_EIGEN_DIR)
configure_file(${CMAKE_CURRENT_LIST_DIR}/tapegrad.pc.in tapegrad.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/tapegrad.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# cpack -G DEB
if(PROJECT_IS_TOP_LEVEL)
  set(CPACK_GENERATOR DEB)
  set(CPACK_PACKAGE_NAME libtapegrad-dev)
  set(CPACK_PACKAGE_CONTACT "the tapegrad project")
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_PACKAGE_DEPENDS "libeigen3-dev (>= 3.4), libfmt-dev, zlib1g-dev")
  include(CPack)
endif()
