// Lets the compiler accept the functions without a body in runtime.go.
