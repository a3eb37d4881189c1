"""Videos, webcams and network cameras, through PyAV."""
