package throttle_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/smtpd/internal/throttle"
)

func TestANetworkMayDoSoMuchAMinute(t *testing.T) {
	r := throttle.NewRates(2)
	a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	take := func(source netip.Prefix, want bool) {
		t.Helper()
		if got := r.Take(source, now); got != want {
			t.Errorf("%s at %v: %v", source, now, got)
		}
	}
	take(a, true)
	take(a, true)
	take(a, false)
	take(b, true)
	now = now.Add(31 * time.Second)
	take(a, true)
	take(a, false)
	now = now.Add(time.Hour)
	take(a, true)
	take(a, true)
	take(a, false)
	now = now.Add(-2 * time.Hour)
	take(a, false) // a clock set back gives nothing
}

func TestTheTableOfRatesIsBounded(t *testing.T) {
	r := throttle.NewRates(1)
	now := time.Now()
	for i := range throttle.Entries + 100 {
		source := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		if !r.Take(source, now) {
			t.Fatalf("network %d may not", i)
		}
	}
	if n := r.Len(); n > throttle.Entries {
		t.Errorf("%d networks are remembered", n)
	}
}
