// The sources of the CUDA kernels as text: they are compiled on the machine that has the GPU.
#include "include/CUDAKernelSources.h"

#include <string.h>

#pragma clang diagnostic ignored "-Wc23-extensions"

#define SOURCE(name) static const unsigned char name[] = {
#define END , 0};

SOURCE(common)
#embed "../CUDA/Kernels/common.cuh"
END
SOURCE(tensor_cores)
#embed "../CUDA/Kernels/tensor_cores.cuh"
END
SOURCE(activations)
#embed "../CUDA/Kernels/activations.cu"
END
SOURCE(attention)
#embed "../CUDA/Kernels/attention.cu"
END
SOURCE(attention_float)
#embed "../CUDA/Kernels/attention_float.cu"
END
SOURCE(attention_rows)
#embed "../CUDA/Kernels/attention_rows.cu"
END
SOURCE(columns)
#embed "../CUDA/Kernels/columns.cu"
END
SOURCE(cross_entropy)
#embed "../CUDA/Kernels/cross_entropy.cu"
END
SOURCE(elementwise)
#embed "../CUDA/Kernels/elementwise.cu"
END
SOURCE(embedding)
#embed "../CUDA/Kernels/embedding.cu"
END
SOURCE(experts)
#embed "../CUDA/Kernels/experts.cu"
END
SOURCE(newton_schulz)
#embed "../CUDA/Kernels/newton_schulz.cu"
END
SOURCE(norms)
#embed "../CUDA/Kernels/norms.cu"
END
SOURCE(optimizer)
#embed "../CUDA/Kernels/optimizer.cu"
END
SOURCE(rotary)
#embed "../CUDA/Kernels/rotary.cu"
END
SOURCE(routing)
#embed "../CUDA/Kernels/routing.cu"
END

static const struct {
  const char *name;
  const unsigned char *text;
} sources[] = {
    {"common.cuh", common},
    {"tensor_cores.cuh", tensor_cores},
    {"activations.cu", activations},
    {"attention.cu", attention},
    {"attention_float.cu", attention_float},
    {"attention_rows.cu", attention_rows},
    {"columns.cu", columns},
    {"cross_entropy.cu", cross_entropy},
    {"elementwise.cu", elementwise},
    {"embedding.cu", embedding},
    {"experts.cu", experts},
    {"newton_schulz.cu", newton_schulz},
    {"norms.cu", norms},
    {"optimizer.cu", optimizer},
    {"rotary.cu", rotary},
    {"routing.cu", routing},
};

const char *nk_cuda_source(const char *name) {
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
    if (strcmp(sources[i].name, name) == 0) return (const char *)sources[i].text;
  return NULL;
}
