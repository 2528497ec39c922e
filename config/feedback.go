package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// providers are the feedback loops that count unless the file names others.
func providers() []string {
	return []string{
		"staff@hotmail.com",  // Microsoft JMRP
		"arf.mail.yahoo.com", // Yahoo, AOL
		"senderscore.net",    // Validity, for Comcast, Rackspace, Fastmail and many more
		"fbl.validity.com",   // the same
		"fbl@corp.mail.ru",   // Mail.ru
		"signal-spam.fr",     // Signal Spam, for French providers
		"scomp@aol.net",      // AOL, of old
	}
}

// feedback checks where it comes in, and whose counts.
func (l *loader) feedback() {
	c := l.c
	if len(c.Listen.Feedback) > 0 && c.Service.Domain == "" && !l.wrong("service.domain") {
		l.fail("listen.feedback", "has no meaning without domain in [service], to which mail comes back")
	}
	if p := c.Service.Postmaster; p != "" && !l.wrong("service.postmaster") {
		a, err := mail.ParseAddress(p)
		switch {
		case err != nil:
			l.fail("service.postmaster", "%q is not an address", p)
		case strings.EqualFold(a.Domain(), c.Service.Domain), strings.EqualFold(a.Domain(), c.Hostname):
			l.fail("service.postmaster", "%q is this server's own: its mail would come back here", p)
		}
	}
	if c.Feedback.KeepFor != 0 {
		l.lasting("feedback.keep_for", c.Feedback.KeepFor, time.Hour, 366*24*time.Hour)
	}
	l.within("feedback.keep_bytes", c.Feedback.KeepBytes, 1<<20, 1<<40)
	for i, p := range c.Feedback.Providers {
		_, err := mail.ParseDomain(p)
		if strings.Contains(p, "@") {
			_, err = mail.ParseAddress(p)
		}
		if key := fmt.Sprintf("feedback.providers[%d]", i); err != nil && !l.wrong(key) {
			l.fail(key, "%q is neither a domain nor an address", p)
		}
	}
}
