package config

import "strings"

// SplitAPI reads listen.api: the address to listen on, and whether in TLS. Without
// TLS it must be a loopback address, since what is signed is not hidden.
func SplitAPI(text string) (address string, tls, ok bool) {
	address, tls = strings.CutPrefix(text, "https://")
	if !tls {
		if address, ok = strings.CutPrefix(text, "http://"); !ok {
			return "", false, false
		}
	}
	a, ok := listenAddr(address)
	return address, tls, ok && (tls || a.Addr().IsLoopback())
}
