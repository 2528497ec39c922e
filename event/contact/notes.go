package contact

import (
	"fmt"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/reputation"
)

// Paused tells that the operator, or the owner, stopped an account's mail.
func Paused(a account.Account, byOwner bool) Note {
	who := "the operator of the mail server"
	if byOwner {
		who = "its owner"
	}
	return Note{
		Subject: "Sending paused for account " + a.Name,
		Text: fmt.Sprintf("Sending was paused for the account %s (%s) by %s.\n"+
			"Messages are refused until it is resumed; what was accepted before is still delivered.", a.Name, a.ID, who),
	}
}

// Resumed tells that it goes on.
func Resumed(a account.Account) Note {
	return Note{
		Subject: "Sending resumed for account " + a.Name,
		Text:    fmt.Sprintf("The account %s (%s) may send again.", a.Name, a.ID),
	}
}

// QuotaNear tells that a daily quota is nearly used up.
func QuotaNear(a account.Account, used int64, frees time.Time) Note {
	return Note{
		Subject: "Daily quota of account " + a.Name + " is nearly used up",
		Text: fmt.Sprintf("The account %s (%s) has sent to %d recipients in the last 24 hours, of %d that it may.\n"+
			"Beyond that messages are refused with a temporary error. Room comes back from %s on.",
			a.Name, a.ID, used, a.MaxDay, frees.UTC().Format("2 Jan 2006 15:04 MST")),
	}
}

// Reputation tells of new states of an account, its identities and configuration
// sets.
func Reputation(a account.Account, changes []reputation.Change) Note {
	n := Note{Subject: "Reputation of account " + a.Name + " has changed"}
	var b strings.Builder
	fmt.Fprintf(&b, "The account %s (%s), what was rated and how it stands:\n", a.Name, a.ID)
	worst := reputation.Healthy
	for _, c := range changes {
		fmt.Fprintf(&b, "\n%s\n", c)
		worst = max(worst, c.State)
		if c.Since.After(n.At) {
			n.At = c.Since // the same when it is told again
		}
	}
	switch worst {
	case reputation.Paused:
		n.Subject = "Sending paused for account " + a.Name + ": too many bounces or complaints"
		b.WriteString("\nMessages are refused until the operator resumes the account; what was accepted before is still delivered.")
	case reputation.Severe:
		b.WriteString("\nMail goes on, but mailbox providers turn away senders at such rates. Find out where the addresses come from.")
	case reputation.Review:
		b.WriteString("\nMail goes on. Find out where the addresses come from before it gets worse.")
	case reputation.Healthy:
	}
	n.Text = b.String()
	return n
}
