package mail_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

func ExampleLimit() {
	l := &mail.Limit{Name: mail.LimitRate, Whose: "account 000000000001", Used: 10.5, Max: 10, Unit: "recipients at once",
		Frees: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)}
	r := mail.Recorded(454, 7, 0, "Throttling failure: Maximum sending rate exceeded.").WithCause(l)
	fmt.Println(mail.LimitOf(r))
	fmt.Printf("%s", r.Wire(nil))
	// Output:
	// rate of account 000000000001: 10.5 of 10 recipients at once, frees at 2026-02-03T04:05:06Z
	// 454 Throttling failure: Maximum sending rate exceeded.
}

func TestALimitSaysWhatIsKnownOfIt(t *testing.T) {
	behind := errors.New("no room")
	for want, l := range map[string]*mail.Limit{
		"disk of server: no room":                          {Name: mail.LimitDisk, Whose: "server", Err: behind},
		"idle of session, frees at 1970-01-01T00:00:01.5Z": {Name: mail.LimitIdle, Whose: "session", Frees: time.UnixMilli(1500)},
		"errors of session: 0.333 of 33554432 x":           {Name: mail.LimitErrors, Whose: "session", Used: 1.0 / 3, Max: 32 << 20, Unit: "x"},
		"retry_schedule of recipient: 3 attempts":          {Name: mail.LimitRetry, Whose: "recipient", Used: 3, Unit: "attempts"},
	} {
		if l.Error() != want {
			t.Errorf("%q, want %q", l, want)
		}
		if l.Err != nil && !errors.Is(l, behind) {
			t.Errorf("%v hides what is behind it", l)
		}
	}
	if mail.LimitOf(behind) != nil || mail.LimitOf(nil) != nil {
		t.Error("a limit where there is none")
	}
}

func TestEachLimitHasANameOfItsOwn(t *testing.T) {
	all := mail.Limits()
	slices.Sort(all)
	if n := len(all); n < 25 || len(slices.Compact(all)) != n {
		t.Errorf("%d names: %v", n, all)
	}
}
