/* empty: everything is in linux/kconfig.h */
