# What Doxygen reads of a header. It does not know `namespace tapegrad::inline ABI`, and would give a comment above the namespace
# to the namespace instead of the file. No line moves, so warnings name the right ones.
function flush() {
  if (!inside && !file && line == "" && $0 ~ /^\/\/\/ /) {
    line = "/// @file"
    file = 1
  }
  if (line ~ /^namespace/) inside = 1
  sub(/::inline TAPEGRAD_ABI/, "", line)
  sub(/inline namespace TAPEGRAD_ABI/, "inline namespace abi", line)
  print line
}
FNR > 1 { flush() }
{ line = $0 }
END { $0 = ""; flush() }
