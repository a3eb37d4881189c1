"""The operating system: systemd, device access, open files, standard streams, folders."""
