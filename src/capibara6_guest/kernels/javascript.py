class JavaScriptKernel: pass
