/* The one macro of linux/bpf_common.h that bcc's own bpf.h uses. */
#ifndef __LINUX_BPF_COMMON_H__
#define __LINUX_BPF_COMMON_H__
#define BPF_CLASS(code) ((code) & 0x07)
#endif
