package memo

// MakeRoom makes room for one more entry in a map of at most max: what is old goes
// first and then, when that is not enough, a tenth of all, arbitrary ones, or each
// new entry would walk the whole map.
func MakeRoom[K comparable, V any](m map[K]V, max int, old func(V) bool) {
	if len(m) < max {
		return
	}
	for k, v := range m {
		if old(v) {
			delete(m, k)
		}
	}
	if len(m) < max {
		return
	}
	keep := max - (max+9)/10
	for k := range m {
		if len(m) <= keep {
			return
		}
		delete(m, k)
	}
}
