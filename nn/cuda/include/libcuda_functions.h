// Every function of the CUDA driver API that package cu and package driver call, but cuInit. A row is the symbol as the
// driver exports it, its parameters, and their names as a call passes them on; all return CUresult. cuda.h makes
// declarations of the rows, ../stub/forward.c definitions, and the tests checks against a toolkit's own header.

/* Errors, version. */
CUDA_FUNCTION(cuDriverGetVersion, (int *version), (version))
CUDA_FUNCTION(cuGetErrorName, (CUresult error, const char **text), (error, text))
CUDA_FUNCTION(cuGetErrorString, (CUresult error, const char **text), (error, text))

/* Devices. */
CUDA_FUNCTION(cuDeviceCanAccessPeer, (int *can, CUdevice device, CUdevice peer), (can, device, peer))
CUDA_FUNCTION(cuDeviceGet, (CUdevice *device, int ordinal), (device, ordinal))
CUDA_FUNCTION(cuDeviceGetAttribute, (int *value, CUdevice_attribute attribute, CUdevice device),
    (value, attribute, device))
CUDA_FUNCTION(cuDeviceGetCount, (int *count), (count))
CUDA_FUNCTION(cuDeviceGetName, (char *name, int bytes, CUdevice device), (name, bytes, device))
CUDA_FUNCTION(cuDeviceGetP2PAttribute, (int *value, CUdevice_P2PAttribute attribute, CUdevice src, CUdevice dst),
    (value, attribute, src, dst))
CUDA_FUNCTION(cuDeviceGetUuid, (CUuuid *uuid, CUdevice device), (uuid, device))
CUDA_FUNCTION(cuDeviceGetUuid_v2, (CUuuid *uuid, CUdevice device), (uuid, device))
CUDA_FUNCTION(cuDevicePrimaryCtxGetState, (CUdevice device, unsigned int *flags, int *active), (device, flags, active))
CUDA_FUNCTION(cuDevicePrimaryCtxRelease_v2, (CUdevice device), (device))
CUDA_FUNCTION(cuDevicePrimaryCtxReset_v2, (CUdevice device), (device))
CUDA_FUNCTION(cuDevicePrimaryCtxRetain, (CUcontext *context, CUdevice device), (context, device))
CUDA_FUNCTION(cuDevicePrimaryCtxSetFlags_v2, (CUdevice device, unsigned int flags), (device, flags))
CUDA_FUNCTION(cuDeviceTotalMem_v2, (size_t *bytes, CUdevice device), (bytes, device))

/* Contexts. */
CUDA_FUNCTION(cuCtxCreate_v2, (CUcontext *context, unsigned int flags, CUdevice device), (context, flags, device))
CUDA_FUNCTION(cuCtxDestroy_v2, (CUcontext context), (context))
CUDA_FUNCTION(cuCtxDisablePeerAccess, (CUcontext peer), (peer))
CUDA_FUNCTION(cuCtxEnablePeerAccess, (CUcontext peer, unsigned int flags), (peer, flags))
CUDA_FUNCTION(cuCtxGetApiVersion, (CUcontext context, unsigned int *version), (context, version))
CUDA_FUNCTION(cuCtxGetCacheConfig, (CUfunc_cache *config), (config))
CUDA_FUNCTION(cuCtxGetCurrent, (CUcontext *context), (context))
CUDA_FUNCTION(cuCtxGetDevice, (CUdevice *device), (device))
CUDA_FUNCTION(cuCtxGetFlags, (unsigned int *flags), (flags))
CUDA_FUNCTION(cuCtxGetLimit, (size_t *value, CUlimit limit), (value, limit))
CUDA_FUNCTION(cuCtxGetSharedMemConfig, (CUsharedconfig *config), (config))
CUDA_FUNCTION(cuCtxGetStreamPriorityRange, (int *least, int *greatest), (least, greatest))
CUDA_FUNCTION(cuCtxPopCurrent_v2, (CUcontext *context), (context))
CUDA_FUNCTION(cuCtxPushCurrent_v2, (CUcontext context), (context))
CUDA_FUNCTION(cuCtxResetPersistingL2Cache, (void), ())
CUDA_FUNCTION(cuCtxSetCacheConfig, (CUfunc_cache config), (config))
CUDA_FUNCTION(cuCtxSetCurrent, (CUcontext context), (context))
CUDA_FUNCTION(cuCtxSetLimit, (CUlimit limit, size_t value), (limit, value))
CUDA_FUNCTION(cuCtxSetSharedMemConfig, (CUsharedconfig config), (config))
CUDA_FUNCTION(cuCtxSynchronize, (void), ())

/* Modules and kernels. */
CUDA_FUNCTION(cuFuncGetAttribute, (int *value, CUfunction_attribute attribute, CUfunction function),
    (value, attribute, function))
CUDA_FUNCTION(cuFuncSetCacheConfig, (CUfunction function, CUfunc_cache config), (function, config))
CUDA_FUNCTION(cuFuncSetSharedMemConfig, (CUfunction function, CUsharedconfig config), (function, config))
CUDA_FUNCTION(cuLaunchKernel, (CUfunction function, unsigned int gridX, unsigned int gridY, unsigned int gridZ,
    unsigned int blockX, unsigned int blockY, unsigned int blockZ, unsigned int sharedBytes, CUstream stream,
    void **arguments, void **extra),
    (function, gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, stream, arguments, extra))
CUDA_FUNCTION(cuModuleGetFunction, (CUfunction *function, CUmodule module, const char *name), (function, module, name))
CUDA_FUNCTION(cuModuleGetGlobal_v2, (CUdeviceptr *pointer, size_t *bytes, CUmodule module, const char *name),
    (pointer, bytes, module, name))
CUDA_FUNCTION(cuModuleGetSurfRef, (CUsurfref *surface, CUmodule module, const char *name), (surface, module, name))
CUDA_FUNCTION(cuModuleGetTexRef, (CUtexref *texture, CUmodule module, const char *name), (texture, module, name))
CUDA_FUNCTION(cuModuleLoad, (CUmodule *module, const char *path), (module, path))
CUDA_FUNCTION(cuModuleLoadData, (CUmodule *module, const void *image), (module, image))
CUDA_FUNCTION(cuModuleLoadDataEx, (CUmodule *module, const void *image, unsigned int count, CUjit_option *options,
    void **values),
    (module, image, count, options, values))
CUDA_FUNCTION(cuModuleLoadFatBinary, (CUmodule *module, const void *image), (module, image))
CUDA_FUNCTION(cuModuleUnload, (CUmodule module), (module))
CUDA_FUNCTION(cuOccupancyMaxActiveBlocksPerMultiprocessor, (int *blocks, CUfunction function, int blockSize,
    size_t sharedBytes),
    (blocks, function, blockSize, sharedBytes))
CUDA_FUNCTION(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, (int *blocks, CUfunction function,
    int blockSize, size_t sharedBytes, unsigned int flags),
    (blocks, function, blockSize, sharedBytes, flags))

/* The linker of the driver. */
CUDA_FUNCTION(cuLinkAddData_v2, (CUlinkState state, CUjitInputType type, void *data, size_t size, const char *name,
    unsigned int count, CUjit_option *options, void **values),
    (state, type, data, size, name, count, options, values))
CUDA_FUNCTION(cuLinkAddFile_v2, (CUlinkState state, CUjitInputType type, const char *path, unsigned int count,
    CUjit_option *options, void **values),
    (state, type, path, count, options, values))
CUDA_FUNCTION(cuLinkComplete, (CUlinkState state, void **image, size_t *size), (state, image, size))
CUDA_FUNCTION(cuLinkCreate_v2, (unsigned int count, CUjit_option *options, void **values, CUlinkState *state),
    (count, options, values, state))
CUDA_FUNCTION(cuLinkDestroy, (CUlinkState state), (state))

/* Memory. */
CUDA_FUNCTION(cuMemAdvise, (CUdeviceptr pointer, size_t count, CUmem_advise advice, CUdevice device),
    (pointer, count, advice, device))
CUDA_FUNCTION(cuMemAlloc_v2, (CUdeviceptr *pointer, size_t bytes), (pointer, bytes))
CUDA_FUNCTION(cuMemAllocManaged, (CUdeviceptr *pointer, size_t bytes, unsigned int flags), (pointer, bytes, flags))
CUDA_FUNCTION(cuMemAllocPitch_v2, (CUdeviceptr *pointer, size_t *pitch, size_t widthBytes, size_t height,
    unsigned int elementBytes),
    (pointer, pitch, widthBytes, height, elementBytes))
CUDA_FUNCTION(cuMemFree_v2, (CUdeviceptr pointer), (pointer))
CUDA_FUNCTION(cuMemFreeHost, (void *pointer), (pointer))
CUDA_FUNCTION(cuMemGetAddressRange_v2, (CUdeviceptr *base, size_t *size, CUdeviceptr pointer), (base, size, pointer))
CUDA_FUNCTION(cuMemGetInfo_v2, (size_t *free, size_t *total), (free, total))
CUDA_FUNCTION(cuMemHostAlloc, (void **pointer, size_t bytes, unsigned int flags), (pointer, bytes, flags))
CUDA_FUNCTION(cuMemHostRegister_v2, (void *pointer, size_t bytes, unsigned int flags), (pointer, bytes, flags))
CUDA_FUNCTION(cuMemHostUnregister, (void *pointer), (pointer))
CUDA_FUNCTION(cuMemPrefetchAsync, (CUdeviceptr pointer, size_t count, CUdevice device, CUstream stream),
    (pointer, count, device, stream))
CUDA_FUNCTION(cuPointerGetAttribute, (void *data, CUpointer_attribute attribute, CUdeviceptr pointer),
    (data, attribute, pointer))
CUDA_FUNCTION(cuPointerSetAttribute, (const void *value, CUpointer_attribute attribute, CUdeviceptr pointer),
    (value, attribute, pointer))

/* Copies. */
CUDA_FUNCTION(cuMemcpy, (CUdeviceptr dst, CUdeviceptr src, size_t bytes), (dst, src, bytes))
CUDA_FUNCTION(cuMemcpy2D_v2, (const CUDA_MEMCPY2D *copy), (copy))
CUDA_FUNCTION(cuMemcpy2DAsync_v2, (const CUDA_MEMCPY2D *copy, CUstream stream), (copy, stream))
CUDA_FUNCTION(cuMemcpy2DUnaligned_v2, (const CUDA_MEMCPY2D *copy), (copy))
CUDA_FUNCTION(cuMemcpy3D_v2, (const CUDA_MEMCPY3D *copy), (copy))
CUDA_FUNCTION(cuMemcpy3DAsync_v2, (const CUDA_MEMCPY3D *copy, CUstream stream), (copy, stream))
CUDA_FUNCTION(cuMemcpy3DPeer, (const CUDA_MEMCPY3D_PEER *copy), (copy))
CUDA_FUNCTION(cuMemcpy3DPeerAsync, (const CUDA_MEMCPY3D_PEER *copy, CUstream stream), (copy, stream))
CUDA_FUNCTION(cuMemcpyAsync, (CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream),
    (dst, src, bytes, stream))
CUDA_FUNCTION(cuMemcpyAtoA_v2, (CUarray dst, size_t dstOffset, CUarray src, size_t srcOffset, size_t bytes),
    (dst, dstOffset, src, srcOffset, bytes))
CUDA_FUNCTION(cuMemcpyAtoD_v2, (CUdeviceptr dst, CUarray src, size_t srcOffset, size_t bytes),
    (dst, src, srcOffset, bytes))
CUDA_FUNCTION(cuMemcpyAtoH_v2, (void *dst, CUarray src, size_t srcOffset, size_t bytes), (dst, src, srcOffset, bytes))
CUDA_FUNCTION(cuMemcpyAtoHAsync_v2, (void *dst, CUarray src, size_t srcOffset, size_t bytes, CUstream stream),
    (dst, src, srcOffset, bytes, stream))
CUDA_FUNCTION(cuMemcpyDtoA_v2, (CUarray dst, size_t dstOffset, CUdeviceptr src, size_t bytes),
    (dst, dstOffset, src, bytes))
CUDA_FUNCTION(cuMemcpyDtoD_v2, (CUdeviceptr dst, CUdeviceptr src, size_t bytes), (dst, src, bytes))
CUDA_FUNCTION(cuMemcpyDtoDAsync_v2, (CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream),
    (dst, src, bytes, stream))
CUDA_FUNCTION(cuMemcpyDtoH_v2, (void *dst, CUdeviceptr src, size_t bytes), (dst, src, bytes))
CUDA_FUNCTION(cuMemcpyDtoHAsync_v2, (void *dst, CUdeviceptr src, size_t bytes, CUstream stream),
    (dst, src, bytes, stream))
CUDA_FUNCTION(cuMemcpyHtoA_v2, (CUarray dst, size_t dstOffset, const void *src, size_t bytes),
    (dst, dstOffset, src, bytes))
CUDA_FUNCTION(cuMemcpyHtoAAsync_v2, (CUarray dst, size_t dstOffset, const void *src, size_t bytes, CUstream stream),
    (dst, dstOffset, src, bytes, stream))
CUDA_FUNCTION(cuMemcpyHtoD_v2, (CUdeviceptr dst, const void *src, size_t bytes), (dst, src, bytes))
CUDA_FUNCTION(cuMemcpyHtoDAsync_v2, (CUdeviceptr dst, const void *src, size_t bytes, CUstream stream),
    (dst, src, bytes, stream))
CUDA_FUNCTION(cuMemcpyPeer, (CUdeviceptr dst, CUcontext dstContext, CUdeviceptr src, CUcontext srcContext,
    size_t bytes),
    (dst, dstContext, src, srcContext, bytes))
CUDA_FUNCTION(cuMemcpyPeerAsync, (CUdeviceptr dst, CUcontext dstContext, CUdeviceptr src, CUcontext srcContext,
    size_t bytes, CUstream stream),
    (dst, dstContext, src, srcContext, bytes, stream))

/* Fills. */
CUDA_FUNCTION(cuMemsetD16_v2, (CUdeviceptr dst, unsigned short value, size_t count), (dst, value, count))
CUDA_FUNCTION(cuMemsetD16Async, (CUdeviceptr dst, unsigned short value, size_t count, CUstream stream),
    (dst, value, count, stream))
CUDA_FUNCTION(cuMemsetD2D16_v2, (CUdeviceptr dst, size_t dstPitch, unsigned short value, size_t width,
    size_t height),
    (dst, dstPitch, value, width, height))
CUDA_FUNCTION(cuMemsetD2D16Async, (CUdeviceptr dst, size_t dstPitch, unsigned short value, size_t width,
    size_t height, CUstream stream),
    (dst, dstPitch, value, width, height, stream))
CUDA_FUNCTION(cuMemsetD2D32_v2, (CUdeviceptr dst, size_t dstPitch, unsigned int value, size_t width, size_t height),
    (dst, dstPitch, value, width, height))
CUDA_FUNCTION(cuMemsetD2D32Async, (CUdeviceptr dst, size_t dstPitch, unsigned int value, size_t width,
    size_t height, CUstream stream),
    (dst, dstPitch, value, width, height, stream))
CUDA_FUNCTION(cuMemsetD2D8_v2, (CUdeviceptr dst, size_t dstPitch, unsigned char value, size_t width, size_t height),
    (dst, dstPitch, value, width, height))
CUDA_FUNCTION(cuMemsetD2D8Async, (CUdeviceptr dst, size_t dstPitch, unsigned char value, size_t width,
    size_t height, CUstream stream),
    (dst, dstPitch, value, width, height, stream))
CUDA_FUNCTION(cuMemsetD32_v2, (CUdeviceptr dst, unsigned int value, size_t count), (dst, value, count))
CUDA_FUNCTION(cuMemsetD32Async, (CUdeviceptr dst, unsigned int value, size_t count, CUstream stream),
    (dst, value, count, stream))
CUDA_FUNCTION(cuMemsetD8_v2, (CUdeviceptr dst, unsigned char value, size_t count), (dst, value, count))
CUDA_FUNCTION(cuMemsetD8Async, (CUdeviceptr dst, unsigned char value, size_t count, CUstream stream),
    (dst, value, count, stream))

/* Streams. */
CUDA_FUNCTION(cuStreamAttachMemAsync, (CUstream stream, CUdeviceptr pointer, size_t length, unsigned int flags),
    (stream, pointer, length, flags))
CUDA_FUNCTION(cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode), (stream, mode))
CUDA_FUNCTION(cuStreamCreate, (CUstream *stream, unsigned int flags), (stream, flags))
CUDA_FUNCTION(cuStreamCreateWithPriority, (CUstream *stream, unsigned int flags, int priority),
    (stream, flags, priority))
CUDA_FUNCTION(cuStreamDestroy_v2, (CUstream stream), (stream))
CUDA_FUNCTION(cuStreamEndCapture, (CUstream stream, CUgraph *graph), (stream, graph))
CUDA_FUNCTION(cuStreamGetFlags, (CUstream stream, unsigned int *flags), (stream, flags))
CUDA_FUNCTION(cuStreamGetPriority, (CUstream stream, int *priority), (stream, priority))
CUDA_FUNCTION(cuStreamQuery, (CUstream stream), (stream))
CUDA_FUNCTION(cuStreamSynchronize, (CUstream stream), (stream))
CUDA_FUNCTION(cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned int flags), (stream, event, flags))
CUDA_FUNCTION(cuStreamWaitValue32, (CUstream stream, CUdeviceptr address, cuuint32_t value, unsigned int flags),
    (stream, address, value, flags))
CUDA_FUNCTION(cuStreamWriteValue32, (CUstream stream, CUdeviceptr address, cuuint32_t value, unsigned int flags),
    (stream, address, value, flags))

/* Events. */
CUDA_FUNCTION(cuEventCreate, (CUevent *event, unsigned int flags), (event, flags))
CUDA_FUNCTION(cuEventDestroy_v2, (CUevent event), (event))
CUDA_FUNCTION(cuEventElapsedTime, (float *milliseconds, CUevent begin, CUevent end), (milliseconds, begin, end))
CUDA_FUNCTION(cuEventQuery, (CUevent event), (event))
CUDA_FUNCTION(cuEventRecord, (CUevent event, CUstream stream), (event, stream))
CUDA_FUNCTION(cuEventSynchronize, (CUevent event), (event))

/* Graphs. */
CUDA_FUNCTION(cuGraphAddChildGraphNode, (CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies,
    size_t count, CUgraph child),
    (node, graph, dependencies, count, child))
CUDA_FUNCTION(cuGraphAddDependencies, (CUgraph graph, const CUgraphNode *from, const CUgraphNode *to, size_t count),
    (graph, from, to, count))
CUDA_FUNCTION(cuGraphAddEmptyNode, (CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies,
    size_t count),
    (node, graph, dependencies, count))
CUDA_FUNCTION(cuGraphAddHostNode, (CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies, size_t count,
    const CUDA_HOST_NODE_PARAMS *parameters),
    (node, graph, dependencies, count, parameters))
CUDA_FUNCTION(cuGraphAddKernelNode, (CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies,
    size_t count, const CUDA_KERNEL_NODE_PARAMS *parameters),
    (node, graph, dependencies, count, parameters))
CUDA_FUNCTION(cuGraphAddMemcpyNode, (CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies,
    size_t count, const CUDA_MEMCPY3D *copy, CUcontext context),
    (node, graph, dependencies, count, copy, context))
CUDA_FUNCTION(cuGraphAddMemsetNode, (CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies,
    size_t count, const CUDA_MEMSET_NODE_PARAMS *parameters, CUcontext context),
    (node, graph, dependencies, count, parameters, context))
CUDA_FUNCTION(cuGraphClone, (CUgraph *clone, CUgraph graph), (clone, graph))
CUDA_FUNCTION(cuGraphCreate, (CUgraph *graph, unsigned int flags), (graph, flags))
CUDA_FUNCTION(cuGraphDestroy, (CUgraph graph), (graph))
CUDA_FUNCTION(cuGraphDestroyNode, (CUgraphNode node), (node))
CUDA_FUNCTION(cuGraphExecDestroy, (CUgraphExec exec), (exec))
CUDA_FUNCTION(cuGraphGetEdges, (CUgraph graph, CUgraphNode *from, CUgraphNode *to, size_t *count),
    (graph, from, to, count))
CUDA_FUNCTION(cuGraphGetNodes, (CUgraph graph, CUgraphNode *nodes, size_t *count), (graph, nodes, count))
CUDA_FUNCTION(cuGraphInstantiateWithFlags, (CUgraphExec *exec, CUgraph graph, unsigned long long flags),
    (exec, graph, flags))
CUDA_FUNCTION(cuGraphLaunch, (CUgraphExec exec, CUstream stream), (exec, stream))

/* Arrays, textures and surfaces: nothing here uses them, but cu refers to them. */
CUDA_FUNCTION(cuArray3DCreate_v2, (CUarray *array, const CUDA_ARRAY3D_DESCRIPTOR *description), (array, description))
CUDA_FUNCTION(cuArray3DGetDescriptor_v2, (CUDA_ARRAY3D_DESCRIPTOR *description, CUarray array), (description, array))
CUDA_FUNCTION(cuArrayCreate_v2, (CUarray *array, const CUDA_ARRAY_DESCRIPTOR *description), (array, description))
CUDA_FUNCTION(cuArrayDestroy, (CUarray array), (array))
CUDA_FUNCTION(cuArrayGetDescriptor_v2, (CUDA_ARRAY_DESCRIPTOR *description, CUarray array), (description, array))
CUDA_FUNCTION(cuSurfRefGetArray, (CUarray *array, CUsurfref surface), (array, surface))
CUDA_FUNCTION(cuSurfRefSetArray, (CUsurfref surface, CUarray array, unsigned int flags), (surface, array, flags))
CUDA_FUNCTION(cuTexRefGetAddress_v2, (CUdeviceptr *pointer, CUtexref texture), (pointer, texture))
CUDA_FUNCTION(cuTexRefGetAddressMode, (CUaddress_mode *mode, CUtexref texture, int dimension),
    (mode, texture, dimension))
CUDA_FUNCTION(cuTexRefGetArray, (CUarray *array, CUtexref texture), (array, texture))
CUDA_FUNCTION(cuTexRefGetBorderColor, (float *color, CUtexref texture), (color, texture))
CUDA_FUNCTION(cuTexRefGetFilterMode, (CUfilter_mode *mode, CUtexref texture), (mode, texture))
CUDA_FUNCTION(cuTexRefGetFlags, (unsigned int *flags, CUtexref texture), (flags, texture))
CUDA_FUNCTION(cuTexRefGetFormat, (CUarray_format *format, int *channels, CUtexref texture), (format, channels, texture))
CUDA_FUNCTION(cuTexRefGetMaxAnisotropy, (int *maximum, CUtexref texture), (maximum, texture))
CUDA_FUNCTION(cuTexRefSetAddress_v2, (size_t *offset, CUtexref texture, CUdeviceptr pointer, size_t bytes),
    (offset, texture, pointer, bytes))
CUDA_FUNCTION(cuTexRefSetAddress2D_v3, (CUtexref texture, const CUDA_ARRAY_DESCRIPTOR *description,
    CUdeviceptr pointer, size_t pitch),
    (texture, description, pointer, pitch))
CUDA_FUNCTION(cuTexRefSetAddressMode, (CUtexref texture, int dimension, CUaddress_mode mode),
    (texture, dimension, mode))
CUDA_FUNCTION(cuTexRefSetArray, (CUtexref texture, CUarray array, unsigned int flags), (texture, array, flags))
CUDA_FUNCTION(cuTexRefSetBorderColor, (CUtexref texture, float *color), (texture, color))
CUDA_FUNCTION(cuTexRefSetFilterMode, (CUtexref texture, CUfilter_mode mode), (texture, mode))
CUDA_FUNCTION(cuTexRefSetFlags, (CUtexref texture, unsigned int flags), (texture, flags))
CUDA_FUNCTION(cuTexRefSetFormat, (CUtexref texture, CUarray_format format, int channels), (texture, format, channels))
CUDA_FUNCTION(cuTexRefSetMaxAnisotropy, (CUtexref texture, unsigned int maximum), (texture, maximum))
CUDA_FUNCTION(cuTexRefSetMipmapFilterMode, (CUtexref texture, CUfilter_mode mode), (texture, mode))
CUDA_FUNCTION(cuTexRefSetMipmapLevelBias, (CUtexref texture, float bias), (texture, bias))
CUDA_FUNCTION(cuTexRefSetMipmapLevelClamp, (CUtexref texture, float minimum, float maximum),
    (texture, minimum, maximum))
