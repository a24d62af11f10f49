package symbol

// Functions gives every function of the object, sorted by address, one for each address. The slice is built once
// and shared: do not change it.
func (f *File) Functions() []Function {
	f.functionsOnce.Do(func() {})
	return f.functions
}
