"""What the machine has: NVIDIA's libraries and headers, the data set, the emulator that stands in for a GPU."""
import ctypes
import glob
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

LIBRARIES = ("libcudnn.so.*", "libcublas.so.*", "libnvrtc.so.*")
HEADERS = ("cuda.h", "cudnn.h", "cublas_v2.h", "nvrtc.h")
DATA = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
# Where containers and distributions put the driver without telling the loader. No "compat" folder of CUDA: its driver fits
# other kernel modules than those that run.
DRIVER_FOLDERS = ("/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/usr/lib/x86_64-linux-gnu/nvidia/current", "/usr/lib64",
                  "/usr/lib/x86_64-linux-gnu", "/run/opengl-driver/lib", "/usr/lib/wsl/lib")


def python_paths(python):
    """Where a Python looks for packages, and the version of its PyTorch or None."""
    program = ("import json, sys\nfrom importlib import metadata\ntry: version = metadata.version('torch')\n"
               "except metadata.PackageNotFoundError: version = None\nprint(json.dumps([sys.path[1:], version]))")
    try:
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return sys.path[1:], None


def candidates(kind, paths):
    """Folders that may hold CUDA's libraries (kind lib) or headers (include). PyTorch's own come first: both programs
    then use the same ones. CUDA 13's packages share nvidia/cu13; cuDNN and those of CUDA 12 have folders of their own."""
    found = []
    for path in paths:
        found += sorted(glob.glob(os.path.join(glob.escape(path), "nvidia", "*", kind)), reverse=True)  # cu13 before cu12
        found.append(os.path.join(path, "torch", kind))
    for home in (os.environ.get("CUDA_HOME"), "/usr/local/cuda", *sorted(glob.glob("/usr/local/cuda-*"), reverse=True)):
        if home and kind == "lib":
            found += [os.path.join(home, "lib64"), os.path.join(home, "lib"), os.path.join(home, "targets", "x86_64-linux", "lib")]
        elif home:
            found += [os.path.join(home, kind), os.path.join(home, "targets", "x86_64-linux", kind)]
    return found + (["/usr/lib/x86_64-linux-gnu", "/usr/lib64"] if kind == "lib" else ["/usr/include", "/usr/include/x86_64-linux-gnu"])


def holding(folders, patterns):
    """Those of some folders that have a file of the names, each once, in their order."""
    chosen = []
    for folder in folders:
        if os.path.realpath(folder) not in map(os.path.realpath, chosen) and first([folder], *patterns):
            chosen.append(folder)
    return chosen


def first(folders, *patterns):
    """The first file of one of the names in some folders, or None."""
    return next((f for folder in folders for p in patterns for f in sorted(glob.glob(os.path.join(glob.escape(folder), p)))), None)


def data_folder(root):
    """The folder of Fashion-MNIST, or None."""
    folders = (os.path.join(root, "data", "fashion-mnist"), os.environ.get("RINGLOOM_DATA", ""), "/usr/share/datasets/fashion-mnist")
    return next((f for f in folders if f and all(glob.glob(os.path.join(glob.escape(f), name + "*")) for name in DATA)), None)


def driver_folder():
    """A folder with the driver where the loader would not find it by itself, or None."""
    try:
        ctypes.CDLL("libcuda.so.1")
        return None
    except OSError:
        return next(iter(holding(DRIVER_FOLDERS, ("libcuda.so.1",))), None)


def gpu_environment(python):
    """The variables with which ringloom and its tests find a real GPU's libraries, and notes about what is missing."""
    split = lambda name: [f for f in os.environ.get(name, "").split(":") if f]
    paths, _ = python_paths(python)
    libraries = split("RINGLOOM_CUDA_PATH") + holding(candidates("lib", paths), LIBRARIES)
    notes = [f"no {p} in {', '.join(libraries) or 'any folder'}" for p in LIBRARIES if not first(libraries, p)]
    driver = driver_folder()
    env = {"RINGLOOM_TEST_GPU": "1", "RINGLOOM_CUDA_PATH": ":".join(libraries + [driver] * bool(driver))}
    nvrtc = first(libraries, "libnvrtc.so.*")
    if nvrtc:  # the driver's own tests look for no NVRTC
        env["RINGLOOM_LIBNVRTC"] = os.environ.get("RINGLOOM_LIBNVRTC") or nvrtc
    headers = split("RINGLOOM_CUDA_INCLUDE") + holding(candidates("include", paths), HEADERS)
    if not shutil.which("cc"):
        notes.append("no C compiler: neither headers are compared nor does torch.compile work")
    elif not first(headers, "cuda.h"):
        notes.append("no headers of CUDA")
    elif not first(headers, "crt/host_defines.h"):  # a package of its own
        notes.append(f"no crt/host_defines.h, which CUDA's headers need, in {', '.join(headers)}")
    else:
        env["RINGLOOM_CUDA_INCLUDE"] = ":".join(headers)
    if not os.environ.get("HOME"):  # compiled kernels are kept there
        env["XDG_CACHE_HOME"] = os.path.join(tempfile.gettempdir(), "ringloom-cache")
    return env, notes


def cuda_version(env):
    """The version of the cuda.h that the tests compare with, such as 13000, or None."""
    header = first(env.get("RINGLOOM_CUDA_INCLUDE", "").split(":"), "cuda.h")
    if not header:
        return None
    with open(header, encoding="utf-8", errors="replace") as f:
        found = re.search(r"^#define\s+CUDA_VERSION\s+(\d+)", f.read(), re.M)
    return found and int(found[1])


def describe(env, python):
    """Lines about the machine, for whoever reads the figures later."""
    read = lambda path, pattern: next(iter(re.findall(pattern, open(path, errors="replace").read(), re.M)), "?") if os.path.exists(path) else "?"
    _, torch = python_paths(python)
    lines = [
        f"system {platform.platform()}, processor {read('/proc/cpuinfo', r'^model name.*: (.*)')}, {os.cpu_count()} cores, "
        f"memory {read('/proc/meminfo', r'^MemTotal: *(.*)')}, driver {read('/proc/driver/nvidia/version', r'^NVRM version: *(.*)')}",
        f"Python {platform.python_version()} {sys.executable}; PyTorch {torch} of {python}",
    ]
    for pattern in ("libcuda.so.1", *LIBRARIES):
        found = first(env.get("RINGLOOM_CUDA_PATH", "").split(":"), pattern)
        lines.append(f"{pattern}: {os.path.realpath(found) if found else 'left to the loader'}")
    return lines


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
        sys.exit("run.py: --emulator needs ringloom's sources: unpack the kit inside a checkout, or start build/gpu-kit/compare/gpu/run.py")
    built = subprocess.run(["go", "run", "./internal/cudaemu/env"], cwd=sources, capture_output=True, text=True)
    if built.returncode:
        sys.exit(f"run.py: the emulator was not built: {built.stderr.strip()}")
    return dict(line.split("=", 1) for line in built.stdout.split())
