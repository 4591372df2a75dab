class BashKernel: pass
