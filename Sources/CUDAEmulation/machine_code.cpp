#include "machine_code.h"

#include <string.h>

namespace emulation {

static const char signature[] = "emulated machine code\n";

MachineCode::MachineCode(const char *image) {
  if (image == nullptr || strncmp(image, signature, strlen(signature)) != 0) return;
  char name[256];
  if (sscanf(image + strlen(signature), "sm_%d %255s", &capability, name) != 2) return;
  file = name;
  is_valid = true;
}

std::string MachineCode::text() const {
  return signature + ("sm_" + std::to_string(capability)) + " " + file + "\n" + '\0';
}

}  // namespace emulation
