package contact

import (
	"fmt"
	"time"

	"github.com/sesame-mta/sesame/account"
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
