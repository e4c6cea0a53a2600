# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
# Sourced, with $qemu set: $cpu and $devices of the machines the tests boot.

# What TCG does not have is switched off: QEMU warns about each otherwise.
cpu=EPYC,+svm,+npt
for flag in fxsr-opt misalignsse osvw topoext nrip-save xsavec rdseed sha-ni 3dnowprefetch; do
	cpu+=,-$flag
done
# Fixed slots: the addresses do not depend on how many directories are shared.
# shellcheck disable=SC2054 # the commas are QEMU's
devices=(-device intel-iommu,intremap=on,caching-mode=on
	 -device edu,addr=0x10 -device edu,addr=0x11
	 -device e1000e,addr=0x12,netdev=n0,romfile= -netdev user,id=n0)
if "$qemu" -device help 2> /dev/null | grep -q '"igb"'; then
	# Behind a root port there are bus numbers for its virtual functions.
	# shellcheck disable=SC2054
	devices+=(-device pcie-root-port,id=rp0,chassis=1,addr=0x13
		  -device igb,bus=rp0,netdev=n1,romfile= -netdev user,id=n1)
fi
