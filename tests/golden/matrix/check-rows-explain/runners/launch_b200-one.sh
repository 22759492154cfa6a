exec srtctl apply
