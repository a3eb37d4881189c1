"""What stands behind the emulated libcamera: sensors, ISP, platform and faults."""
