// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks firmware itself what it has registered, by STORE PCI FUNCTION CONTROLS, which the
 * kernel never does: an answer to compare irqgate's with that comes from neither of them.
 * Prints a line a function, undecoded, and does not stay.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <asm/pci.h>
#include <asm/pci_insn.h>

static u8 stpcifc(u64 req, struct zpci_fib *fib)
{
	u8 cc;

	asm volatile("	.insn	rxy,0xe300000000d4,%[req],%[fib]\n"
		     "	ipm	%[cc]\n"
		     "	srl	%[cc],28\n"
		     : [cc] "=d"(cc), [req] "+d"(req), [fib] "+Q"(*fib)
		     :
		     : "cc");
	return cc;
}

static int __init stpcifc_init(void)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		struct zpci_dev *zdev = to_zpci(pdev);
		struct zpci_fib fib = {};
		u64 *word = (void *)&fib;
		u8 cc = stpcifc((u64)zdev->fh << 32, &fib);

		pr_err("stpcifc fid=%x fh=%08x cc=%u word=%016llx aibv=%llx aisb=%llx gd=%x\n",
		       zdev->fid, zdev->fh, cc, word[5], word[6], word[7], (u32)word[9]);
	}
	return -ENODEV;
}
module_init(stpcifc_init);

MODULE_DESCRIPTION("Reads firmware's table of PCI interrupts");
MODULE_LICENSE("GPL");
