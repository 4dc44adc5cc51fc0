// What stands for machine code: the name of the file that was compiled, and for which device.
#pragma once

#include <string>

namespace emulation {

struct MachineCode {
  bool is_valid = false;
  // Such as 90.
  int capability = 0;
  // Without its ending.
  std::string file;

  MachineCode(int capability, std::string file) : is_valid(true), capability(capability), file(std::move(file)) {}
  // Reads what `text()` wrote.
  explicit MachineCode(const char *image);

  // Ends with a zero.
  std::string text() const;
};

}  // namespace emulation
