"""What a piece of work cost in seconds, bytes and joules, what the device reaches, and what disturbs it.

    clock        wall, processor and device time; warm-up; the garbage collector
    memory       peaks; bytes of weights, buffers and other tensors
    energy       joules by the GPU's or the processor's counter
    environment  snapshots before and after, and the noise between them
    sentinel     a fixed matrix product and copy: achieved peaks, drift
    host, nvml   what the kernel and the NVIDIA driver tell
    places       the CUDA devices of a model

Layer: above `store`, below `forward`; none imports another part of the package but `devices`.
"""
