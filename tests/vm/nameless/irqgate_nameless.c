// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VFIO device that is no PCI function, as those of mdev, platform, ap and ccw are: no
 * policy can name it. It takes whatever eventfds it is given and does nothing with them.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/version.h>
#include <linux/vfio.h>
#if IS_ENABLED(CONFIG_IOMMUFD)
#include <linux/iommufd.h>
#endif

static struct platform_device *parent;
static struct vfio_device *nameless;

static int nameless_init(struct vfio_device *device)
{
	return 0;
}

static void nameless_release(struct vfio_device *device)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	vfio_free_device(device);
#endif
}

static int nameless_open(struct vfio_device *device)
{
	return 0;
}

static void nameless_close(struct vfio_device *device)
{
}

static void nameless_dma_unmap(struct vfio_device *device, u64 iova, u64 length)
{
}

static long nameless_ioctl(struct vfio_device *device, unsigned int cmd, unsigned long arg)
{
	return cmd == VFIO_DEVICE_SET_IRQS ? 0 : -ENOTTY;
}

static const struct vfio_device_ops ops = {
	.name = "irqgate-nameless",
	.init = nameless_init,
	.release = nameless_release,
#if IS_ENABLED(CONFIG_IOMMUFD)
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
#endif
	.open_device = nameless_open,
	.close_device = nameless_close,
	.dma_unmap = nameless_dma_unmap,
	.ioctl = nameless_ioctl,
};

struct nameless {
	struct vfio_device vdev;
};

/* VFIO asks for the driver of the device it is on. */
static int nameless_probe(struct platform_device *pdev)
{
	struct nameless *n = vfio_alloc_device(nameless, vdev, &pdev->dev, &ops);
	int ret;

	if (IS_ERR(n))
		return PTR_ERR(n);
	ret = vfio_register_emulated_iommu_dev(&n->vdev);
	if (ret)
		vfio_put_device(&n->vdev);
	else
		nameless = &n->vdev;
	return ret;
}

static struct platform_driver driver = {
	.probe = nameless_probe,
	.driver = { .name = "nameless", .suppress_bind_attrs = true },
};

static int __init nameless_load(void)
{
	int ret = platform_driver_register(&driver);

	if (ret)
		return ret;
	parent = platform_device_register_simple("nameless", PLATFORM_DEVID_NONE, NULL, 0);
	if (!IS_ERR(parent) && nameless)
		return 0;
	if (!IS_ERR(parent))
		platform_device_unregister(parent);
	platform_driver_unregister(&driver);
	return IS_ERR(parent) ? PTR_ERR(parent) : -ENODEV;
}

static void __exit nameless_unload(void)
{
	vfio_unregister_group_dev(nameless);
	vfio_put_device(nameless);
	platform_device_unregister(parent);
	platform_driver_unregister(&driver);
}

module_init(nameless_load);
module_exit(nameless_unload);
MODULE_DESCRIPTION("A VFIO device without a name, for the tests of irqgate");
MODULE_LICENSE("GPL");
