package throttle_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/smtpd/internal/throttle"
)

func TestPausesDoubleUpToTheLongest(t *testing.T) {
	table := throttle.New[netip.Prefix](250*time.Millisecond, 5*time.Second)
	a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	now := time.Unix(1e9, 0)
	for i, want := range []time.Duration{250e6, 500e6, 1e9, 2e9, 4e9, 5e9, 5e9} {
		if _, got := table.Failed(a, now); got != want {
			t.Errorf("failure %d costs %v, want %v", i+1, got, want)
		}
	}
	for range 100 {
		table.Failed(a, now)
	}
	if _, got := table.Failed(a, now); got != 5*time.Second {
		t.Errorf("after many failures: %v", got)
	}
	if _, got := table.Failed(b, now); got != 250*time.Millisecond {
		t.Errorf("another network pays %v", got)
	}
	if _, got := table.Failed(a, now.Add(throttle.Forget+time.Second)); got != 250*time.Millisecond {
		t.Errorf("after a quiet time: %v", got)
	}
}

func TestTheTableIsBounded(t *testing.T) {
	table := throttle.New[netip.Prefix](time.Millisecond, time.Second)
	now := time.Unix(1e9, 0)
	for i := range 3 * throttle.Entries {
		ip := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		table.Failed(netip.PrefixFrom(ip, 32), now.Add(time.Duration(i)*time.Microsecond))
	}
	if n := table.Len(); n > throttle.Entries {
		t.Errorf("%d entries", n)
	}
}
