"""What the machine has: NVIDIA's libraries and headers, the data set, the emulator that stands in for a GPU."""
import glob
import os
import shutil
import subprocess
import sys

LIBRARIES = ("libcudnn.so.*", "libcublas.so.*", "libnvrtc.so.*")
HEADERS = ("cuda.h", "cudnn.h", "cublas_v2.h", "nvrtc.h")
DATA = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def candidates(kind):
    """Folders that may hold CUDA's libraries (kind lib) or headers (include). PyTorch's own come first: both programs
    then use the same ones."""
    found = []
    for path in sys.path:
        found += sorted(glob.glob(os.path.join(glob.escape(path), "nvidia", "*", kind)), reverse=True)  # cu13 before cu12
        found.append(os.path.join(path, "torch", kind))
    for home in (os.environ.get("CUDA_HOME"), "/usr/local/cuda", *sorted(glob.glob("/usr/local/cuda-*"), reverse=True)):
        if home:
            found += [os.path.join(home, "lib64"), os.path.join(home, "lib")] if kind == "lib" else [os.path.join(home, kind)]
    found += ["/usr/lib/x86_64-linux-gnu"] if kind == "lib" else ["/usr/include", "/usr/include/x86_64-linux-gnu"]
    return found


def holding(folders, patterns):
    """Those of some folders that have a file of the names, each once, in their order."""
    chosen = []
    for folder in folders:
        if folder not in chosen and any(glob.glob(os.path.join(glob.escape(folder), p)) for p in patterns):
            chosen.append(folder)
    return chosen


def first(folders, pattern):
    """The first file of that name in some folders, or None."""
    return next((f for folder in folders for f in sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))), None)


def data_folder(root):
    """The folder of Fashion-MNIST, or None."""
    folders = (os.path.join(root, "data", "fashion-mnist"), os.environ.get("RINGLOOM_DATA", ""), "/usr/share/datasets/fashion-mnist")
    return next((f for f in folders if f and all(glob.glob(os.path.join(glob.escape(f), name + "*")) for name in DATA)), None)


def gpu_environment(root):
    """The variables with which ringloom and its tests find a real GPU's libraries, and notes about what is missing."""
    split = lambda name: [f for f in os.environ.get(name, "").split(":") if f]
    libraries = split("RINGLOOM_CUDA_PATH") + holding(candidates("lib"), LIBRARIES)
    headers = split("RINGLOOM_CUDA_INCLUDE") + holding(candidates("include"), HEADERS)
    env = {"RINGLOOM_TEST_GPU": "1", "RINGLOOM_CUDA_PATH": ":".join(libraries)}
    notes = [f"no {p} in {', '.join(libraries) or 'any folder'}" for p in LIBRARIES if not first(libraries, p)]
    nvrtc = first(libraries, "libnvrtc.so.*")
    if nvrtc:  # the driver's own tests look for no NVRTC
        env["RINGLOOM_LIBNVRTC"] = os.environ.get("RINGLOOM_LIBNVRTC", nvrtc)
    if headers and shutil.which("cc"):
        env["RINGLOOM_CUDA_INCLUDE"] = ":".join(headers)
    else:
        notes.append("no C compiler" if headers else "no headers of CUDA")
    return env, notes


def checkout(start):
    """The nearest folder at or above start with ringloom's sources, or None."""
    while not os.path.exists(os.path.join(start, "go.mod")):
        if os.path.dirname(start) == start:
            return None
        start = os.path.dirname(start)
    return start


def emulator_environment(root):
    """The variables that put the emulator in a GPU's place. It is built from the sources around the kit."""
    sources = checkout(root)
    if not sources:
        sys.exit("run.py: --emulator needs ringloom's sources: unpack the kit inside a checkout, or start build/gpu-kit/bench/gpu/run.py")
    built = subprocess.run(["go", "run", "./nn/cuda/emulator/env"], cwd=sources, capture_output=True, text=True)
    if built.returncode:
        sys.exit(f"run.py: the emulator was not built: {built.stderr.strip()}")
    return dict(line.split("=", 1) for line in built.stdout.split())
