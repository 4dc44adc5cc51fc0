// NVRTC's functions. The kernels were compiled with the library; here a program's options, its includes and its file's
// name are checked, as far as that goes.
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <string>
#include <vector>

#include "driver.h"
#include "kernel_table.h"
#include "machine_code.h"

namespace emulation {

enum CompilerStatus {
  compiler_success = 0,
  invalid_input = 3,
  invalid_program = 4,
  invalid_option = 5,
  compilation_failed = 6,
};

struct Program {
  std::string source, name;
  std::vector<std::string> header_names, headers;
  std::string code, log;

  int compile(const std::vector<std::string> &options);

 private:
  bool check(const std::string &text, const std::string &file);
};

static bool starts_with(const std::string &text, const char *start) { return text.rfind(start, 0) == 0; }

int Program::compile(const std::vector<std::string> &options) {
  code.clear();
  log.clear();
  int capability = 75;
  for (const std::string &option : options) {
    if (sscanf(option.c_str(), "--gpu-architecture=sm_%d", &capability) == 1) continue;
    const char *known[] = {"--std=c++",  "--use_fast_math", "--ptxas-options=", "--fmad=",
                           "--define-macro=", "-D",         "--extra-device-vectorization", "--restrict", "-lineinfo"};
    bool is_known = false;
    for (const char *start : known) is_known = is_known || starts_with(option, start);
    if (is_known) continue;
    log = "nvrtc: error: unrecognized option " + option + " found\n";
    return invalid_option;
  }
  // This version has left older ones behind.
  if (capability < 75) {
    log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n";
    return invalid_option;
  }
  if (!check(source, name)) return compilation_failed;
  const std::string file = name.substr(0, name.rfind('.'));
  if (!has_file(file.c_str())) {
    log = name + ": the emulation was built without this file\n";
    return compilation_failed;
  }
  code = MachineCode(capability, file).text();
  return compiler_success;
}

// Whether what a text includes is there, and nothing says #error.
bool Program::check(const std::string &text, const std::string &file) {
  size_t start = 0;
  for (int line = 1; start < text.size(); line++) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string content = text.substr(start, end - start);
    start = end + 1;
    const std::string place = file + "(" + std::to_string(line) + "): ";
    if (starts_with(content, "#error")) {
      log = place + "error: " + content + "\n";
      return false;
    }
    char included[256];
    if (sscanf(content.c_str(), "#include \"%255[^\"]\"", included) != 1) continue;
    // What the emulation includes, a GPU never sees.
    if (strcmp(included, "cuda_emulation.h") == 0) continue;
    bool is_there = false;
    for (const std::string &header : header_names) is_there = is_there || header == included;
    if (is_there) continue;
    log = place + "catastrophic error: cannot open source file \"" + included + "\"\n";
    return false;
  }
  for (size_t i = 0; i < headers.size() && &text == &source; i++) {
    if (!check(headers[i], header_names[i])) return false;
  }
  return true;
}

}  // namespace emulation

using namespace emulation;

EXPORTED int nvrtcVersion(int *major, int *minor) {
  // One that no compiler has: what is kept on disk is never mistaken for real machine code.
  *major = 13;
  *minor = 999;
  return compiler_success;
}

EXPORTED int nvrtcCreateProgram(
    void **program, const char *source, const char *name, int header_count, const char *const *headers,
    const char *const *names) {
  return plain_call(__func__, [&]() -> int {
    if (program == nullptr || source == nullptr || header_count < 0) return invalid_input;
    auto *created = new Program{source, name == nullptr ? "default_program" : name, {}, {}, {}, {}};
    for (int i = 0; i < header_count; i++) {
      created->headers.push_back(headers[i]);
      created->header_names.push_back(names[i]);
    }
    *program = created;
    return compiler_success;
  });
}

EXPORTED int nvrtcCompileProgram(void *program, int option_count, const char *const *options) {
  return plain_call(__func__, [&]() -> int {
    if (program == nullptr) return invalid_program;
    return static_cast<Program *>(program)->compile({options, options + option_count});
  });
}

EXPORTED int nvrtcGetCUBINSize(void *program, size_t *bytes) {
  return plain_call(__func__, [&]() -> int {
    if (program == nullptr) return invalid_program;
    *bytes = static_cast<Program *>(program)->code.size();
    return compiler_success;
  });
}

EXPORTED int nvrtcGetCUBIN(void *program, char *bytes) {
  return plain_call(__func__, [&]() -> int {
    if (program == nullptr) return invalid_program;
    const std::string &code = static_cast<Program *>(program)->code;
    memcpy(bytes, code.data(), code.size());
    return compiler_success;
  });
}

EXPORTED int nvrtcGetProgramLogSize(void *program, size_t *bytes) {
  return plain_call(__func__, [&]() -> int {
    if (program == nullptr) return invalid_program;
    *bytes = static_cast<Program *>(program)->log.size() + 1;
    return compiler_success;
  });
}

EXPORTED int nvrtcGetProgramLog(void *program, char *text) {
  return plain_call(__func__, [&]() -> int {
    if (program == nullptr) return invalid_program;
    strcpy(text, static_cast<Program *>(program)->log.c_str());
    return compiler_success;
  });
}

EXPORTED int nvrtcDestroyProgram(void **program) {
  return plain_call(__func__, [&]() -> int {
    if (program == nullptr || *program == nullptr) return invalid_program;
    delete static_cast<Program *>(*program);
    *program = nullptr;
    return compiler_success;
  });
}

EXPORTED const char *nvrtcGetErrorString(int status) {
  switch (status) {
    case compiler_success: return "NVRTC_SUCCESS";
    case invalid_input: return "NVRTC_ERROR_INVALID_INPUT";
    case invalid_program: return "NVRTC_ERROR_INVALID_PROGRAM";
    case invalid_option: return "NVRTC_ERROR_INVALID_OPTION";
    case compilation_failed: return "NVRTC_ERROR_COMPILATION";
    default: return "NVRTC_ERROR unknown";
  }
}
