package verdict

import (
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

// Verdict is what a reply comes to. The zero value is for a positive reply.
type Verdict struct {
	// Permanent: it is of no use to try again. It is the reply code's word (RFC
	// 5321 section 4.2.1) but for the few replies known to mean something else.
	Permanent bool
	Class     Class
	Action    Action
	// BounceType and BounceSubType are what a bounce is called if this is the
	// last word, DelayType what a delay is called (spec section 6.2).
	BounceType, BounceSubType string
	DelayType                 string
}

// Of reads a reply: of the MX host with this name if remote is set, else of ours.
func Of(r *mail.Reply, remote bool, host string) Verdict {
	kind := r.Code / 100
	if kind == 0 {
		kind = r.Status.Class // of a DSN, which may have no more than that
	}
	if kind == 2 {
		return Verdict{}
	}
	q := ask(r, host)
	if kind != 4 && kind != 5 {
		v := finish(q.class(remote), false)
		v.BounceType, v.BounceSubType, v.DelayType = Undetermined, Undetermined, Undetermined
		return v
	}
	c := q.class(remote)
	if kind == 5 && remote && !c.hopeless() {
		if l := q.first(later); l != 0 {
			return finish(l, false)
		}
		if q.contradicts() {
			if c == Unknown || c == Policy {
				c = Remote
			}
			return finish(c, false)
		}
	}
	return finish(c, kind == 5)
}

func finish(c Class, permanent bool) Verdict {
	v := Verdict{Permanent: permanent, Class: c, Action: c.action(permanent), DelayType: c.delay()}
	v.BounceType, v.BounceSubType = c.bounce(permanent)
	return v
}

// class finds the first rule that fits.
func (q *question) class(remote bool) Class {
	tables := [...][]rule{ours, common, statuses, codes}
	if remote {
		tables[0] = providers
	}
	for _, t := range tables {
		if c := q.first(t); c != 0 {
			return c
		}
	}
	return Unknown
}

// contradicts reports whether a 5xx carries a status of class 4 and asks to try
// again: two of three words against the code. 4.4.7 is not meant: what another
// relay gave up after its own time is over (RFC 3463 section 3.5).
func (q *question) contradicts() bool {
	return q.status.Class == 4 && q.status != mail.Status{Class: 4, Subject: 4, Detail: 7} &&
		(strings.Contains(q.text, "try again") || strings.Contains(q.text, "try later") || strings.Contains(q.text, "retry"))
}
