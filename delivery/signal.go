package delivery

import (
	"context"
	"errors"

	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/mail"
)

// SignalOf says what an attempt tells the limiter about the site: Busy if a host
// asked for less, else Success if a host was spoken with, else Unreachable. Zero
// means that the attempt says nothing about the site.
func SignalOf(outcomes []mail.Outcome) egress.Signal {
	var seen [egress.Unreachable + 1]bool
	for i := range outcomes {
		seen[signalOf(&outcomes[i])] = true
	}
	for _, sig := range []egress.Signal{egress.Busy, egress.Success, egress.Unreachable} {
		if seen[sig] {
			return sig
		}
	}
	return 0
}

func signalOf(o *mail.Outcome) egress.Signal {
	r := &o.Reply
	switch {
	case o.Remote && (r.Code == 421 || r.Code/100 == 4 && r.Status.Subject == 7):
		return egress.Busy
	case o.Remote:
		return egress.Success
	case errors.Is(r, context.Canceled):
		return 0 // we stopped
	case r.Code/100 == 4 && r.Status.Subject == 4:
		return egress.Unreachable
	case o.Addr != "":
		return egress.Success // it answered; that we would not send is another matter
	}
	return 0
}
