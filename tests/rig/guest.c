// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest: a kernel for a test VM, for `qemu -kernel` (multiboot). It sets up an MSI for each edu
 * device on bus 0, also for one that is plugged in later, and raises it again and again. The test
 * sees on the host what happens to the interrupts.
 */
typedef unsigned int u32;

#define EDU 0x11e81234
#define EDU_RAISE 0x60
#define EDU_ACK 0x64
#define BARS 0xf0000000 /* for functions that have no address yet, 1 MB each */
#define MSI_ADDRESS 0xfee00000
#define CAP_MSI 5

__asm__(".section .multiboot, \"a\"\n"
	".long 0x1badb002, 0, -0x1badb002\n"
	".text\n"
	".globl _start\n"
	"_start: mov $stack + 4096, %esp\n"
	"call main\n"
	".bss\n"
	"stack: .skip 4096\n"
	".text\n");

static void out(u32 value, unsigned short port)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static u32 in(unsigned short port)
{
	u32 value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static u32 config(u32 slot, u32 where)
{
	out(0x80000000 | slot << 11 | (where & 0xfc), 0xcf8);
	return in(0xcfc);
}

static void set_config(u32 slot, u32 where, u32 value)
{
	out(0x80000000 | slot << 11 | (where & 0xfc), 0xcf8);
	out(value, 0xcfc);
}

/* Enables memory decoding, bus mastering and the MSI, which has a 64-bit address. */
static void set_up(u32 slot)
{
	u32 cap = config(slot, 0x34) & 0xfc;

	if (!(config(slot, 0x10) & ~0xfu))
		set_config(slot, 0x10, BARS + (slot << 20));
	set_config(slot, 4, (config(slot, 4) & 0xffff) | 6);
	while (cap && (config(slot, cap) & 0xff) != CAP_MSI)
		cap = config(slot, cap) >> 8 & 0xfc;
	if (!cap || config(slot, cap) >> 16 & 1)
		return;
	set_config(slot, cap + 4, MSI_ADDRESS);
	set_config(slot, cap + 8, 0);
	set_config(slot, cap + 12, 0x40 + slot);
	set_config(slot, cap, config(slot, cap) | 1 << 16);
}

static void raise(u32 slot)
{
	char *bar = (char *)(config(slot, 0x10) & ~0xfu);

	*(volatile u32 *)(bar + EDU_RAISE) = 1;
	*(volatile u32 *)(bar + EDU_ACK) = 1;
}

void main(void)
{
	u32 slot, i;

	for (;;) {
		for (slot = 0; slot < 32; slot++) {
			if (config(slot, 0) != EDU)
				continue;
			set_up(slot);
			raise(slot);
		}
		for (i = 0; i < 2000000; i++)
			__asm__ volatile("pause");
	}
}
