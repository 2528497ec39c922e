package mail

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// LimitName names a limit in the log, the trace and the metrics. The set is
// closed: docs/howto/limits.md tells of each.
type LimitName string

// The limits at the door, at acceptance and on the way out.
const (
	LimitConnections     LimitName = "connections"             // of all clients
	LimitReserved        LimitName = "connections_reserved"    // the last ones, for networks that have none
	LimitPerAddress      LimitName = "connections_per_ip"      // of one address
	LimitPerNetwork      LimitName = "connections_per_network" // of the network around it
	LimitMessages        LimitName = "messages_per_connection"
	LimitRecipients      LimitName = "recipients"
	LimitErrors          LimitName = "errors"
	LimitCommands        LimitName = "commands"
	LimitAuthFailures    LimitName = "auth_failures" // of one connection
	LimitAuthUser        LimitName = "auth_user"     // of one user name
	LimitAuthDelay       LimitName = "auth_delay"
	LimitIdle            LimitName = "idle"
	LimitDataRate        LimitName = "data_rate"
	LimitStrangers       LimitName = "stranger_messages" // of a network, without AUTH
	LimitDisk            LimitName = "disk"
	LimitFeedbackMemory  LimitName = "feedback_memory" // of what strangers send
	LimitRoleMail        LimitName = "role_mail"       // to the postmaster
	LimitHeaderMemory    LimitName = "header_memory"
	LimitQuota           LimitName = "daily_quota"
	LimitRate            LimitName = "rate"
	LimitSigV2Rate       LimitName = "sigv2_rate"
	LimitQueueOnThrottle LimitName = "queue_on_throttle"
	LimitHeld            LimitName = "held" // by the operator
	LimitRetry           LimitName = "retry_schedule"
	LimitSiteDown        LimitName = "site_down"
	LimitSiteConcurrency LimitName = "site_concurrency"
	LimitConcurrency     LimitName = "concurrency"
	LimitUnprovenSites   LimitName = "unproven_sites"
	LimitScanner         LimitName = "scanner"
	LimitSigning         LimitName = "signing"
	LimitSourceRest      LimitName = "source_rest"    // a site refused the source
	LimitSenderStopped   LimitName = "sender_stopped" // a site refused the sender
)

// Limits gives all names there are.
func Limits() []LimitName {
	return slices.Concat(DoorLimits(), EntryLimits(), ExitLimits())
}

// DoorLimits gives those of the SMTP listeners.
func DoorLimits() []LimitName {
	return []LimitName{LimitConnections, LimitReserved, LimitPerAddress, LimitPerNetwork, LimitMessages, LimitRecipients,
		LimitErrors, LimitCommands, LimitAuthFailures, LimitAuthUser, LimitAuthDelay, LimitIdle, LimitDataRate,
		LimitStrangers, LimitFeedbackMemory, LimitRoleMail}
}

// EntryLimits gives those of acceptance.
func EntryLimits() []LimitName {
	return []LimitName{LimitDisk, LimitHeaderMemory, LimitQuota, LimitRate, LimitSigV2Rate, LimitQueueOnThrottle}
}

// ExitLimits gives those of delivery.
func ExitLimits() []LimitName {
	return []LimitName{LimitHeld, LimitRetry, LimitSiteDown, LimitSiteConcurrency, LimitConcurrency, LimitUnprovenSites,
		LimitScanner, LimitSigning, LimitSourceRest, LimitSenderStopped}
}

// Limit says which limit of ours puts mail off, and how far it is. It is the
// private cause of a reply, and never shown to a stranger.
type Limit struct {
	Name LimitName `json:"name"`
	// Whose it is: "account 000000000001", "network 192.0.2.0/24", "site
	// mx.example.net", "session", "server".
	Whose string `json:"whose"`
	// Used of Max are used up, in Unit; 0 is not known.
	Used float64 `json:"used,omitempty"`
	Max  float64 `json:"max,omitempty"`
	Unit string  `json:"unit,omitempty"`
	// Frees is when there is room again, as far as is known; zero is not.
	Frees time.Time `json:"frees,omitzero"`
	Err   error     `json:"-"` // behind it, if anything is
}

// Error says it in words: "rate of account 000000000001: 12 of 10 recipients a
// second, frees at 2026-02-03T04:05:06Z".
func (l *Limit) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s", l.Name, l.Whose)
	switch {
	case l.Max != 0:
		fmt.Fprintf(&b, ": %s of %s %s", amount(l.Used), amount(l.Max), l.Unit)
	case l.Used != 0:
		fmt.Fprintf(&b, ": %s %s", amount(l.Used), l.Unit)
	}
	if !l.Frees.IsZero() {
		b.WriteString(", frees at " + l.Frees.UTC().Format("2006-01-02T15:04:05.999Z07:00"))
	}
	if l.Err != nil {
		b.WriteString(": " + l.Err.Error())
	}
	return b.String()
}

// amount writes large counts without an exponent and small rates in full.
func amount(f float64) string {
	if f == float64(int64(f)) {
		return fmt.Sprintf("%d", int64(f))
	}
	return fmt.Sprintf("%.3g", f)
}

// Unwrap gives what is behind it.
func (l *Limit) Unwrap() error { return l.Err }

// LimitOf gives the limit that an error or a reply speaks of, nil if it speaks of
// none.
func LimitOf(err error) *Limit {
	l, _ := errors.AsType[*Limit](err)
	return l
}
