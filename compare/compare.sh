#!/usr/bin/env bash
# Train LeNet with ringloom and with PyTorch DDP (gloo), in turn, so that a machine whose speed drifts is fair to both: batch
# 256 and one thread a process. It needs `make build`, and Debian's python3-torch and libopenblas0-pthread, because a
# reference BLAS would be no fair peer. compare/step_compare.py compares single steps of every model, in one process.
#   compare/compare.sh [rounds] [processes]
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5} n=${2:-2}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# /usr/bin/python3 is the one that Debian's python3-torch belongs to.
python=${PYTHON:-/usr/bin/python3}
if ! readlink -f /usr/lib/*/libblas.so.3 | grep -q openblas; then
	echo "libblas is not OpenBLAS: apt-get install libopenblas0-pthread, or PyTorch runs on a slow reference BLAS" >&2
	exit 1
fi
echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1); $(bin/ringloom version | head -1)"
echo "images/s over the second epoch, $n processes with one thread each, batch 256 a process"
for ((i = 1; i <= rounds; i++)); do
	bin/ringloom launch -n "$n" --threads 1 -- --epochs 2 --global-batch $((256 * n)) --run-dir "$work/$i" >/dev/null 2>&1
	ours=$(sed -n '2s/.*"images_per_second":\([0-9]*\).*/\1/p' "$work/$i/metrics.jsonl")
	theirs=$("$python" compare/pytorch/train_ddp.py --model lenet --nproc "$n" --batch $((256 * n)) --epochs 2 --lr 0.002 \
		--format plain --speed-only 2>/dev/null | sed -n 's/.*: \([0-9]*\)}.*/\1/p')
	echo "$ours $theirs" >>"$work/all"
	awk -v i="$i" -v a="$ours" -v b="$theirs" 'BEGIN {printf "round %d: ringloom %6d   pytorch %6d   ratio %.2f\n", i, a, b, a / b}'
done
median() { cut -d' ' -f"$1" "$work/all" | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
awk -v a="$(median 1)" -v b="$(median 2)" 'BEGIN {printf "median : ringloom %6d   pytorch %6d   ratio %.2f\n", a, b, a / b}'
