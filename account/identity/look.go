package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/internal/resolver"
)

// DNS is what a Checker asks; *resolver.Resolver.
type DNS interface {
	TXT(ctx context.Context, name string) ([]string, resolver.Meta, error)
	MX(ctx context.Context, domain string) ([]resolver.MX, resolver.Meta, error)
	CNAME(ctx context.Context, name string) (string, resolver.Meta, error)
}

// lookTime bounds all the questions of one look at an identity.
const lookTime = time.Minute

// findings is what one look at DNS gave.
type findings struct {
	verification, dkim, mailFrom outcome
	next                         outcome // of the keys to be used next
	// problems of each, and what else an owner should know; a line each.
	problems, dkimProblems, mailFromProblems, advice []string
}

// all gives every line.
func (f findings) all() []string {
	return slices.Concat(f.problems, f.dkimProblems, f.mailFromProblems, f.advice)
}

type looker struct {
	b   *Book
	dns DNS
}

// look asks DNS about an identity. With advice it looks at SPF and DMARC too.
func (l looker) look(ctx context.Context, e *entry, advice bool) findings {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	var f findings
	if e.IsDomain() {
		l.keys(ctx, e, &f)
		f.verification = l.ownership(ctx, e, &f)
	}
	if e.MailFrom.Domain != "" {
		f.mailFrom = l.mailFrom(ctx, e.MailFrom.Domain, &f)
	}
	if advice && e.IsDomain() {
		_, line := l.spf(ctx, e.Name)
		f.advice = append(f.advice, line...)
		f.advice = append(f.advice, l.dmarc(ctx, e.Name)...)
	}
	return f
}

// keys looks for every key in use and for the next ones. Without a key in use
// f.dkim says nothing: a key that was brought and is not published proves nothing.
func (l looker) keys(ctx context.Context, e *entry, f *findings) {
	f.next = good
	for _, k := range e.Keys {
		if k.Use == Old {
			continue
		}
		o, line := l.key(ctx, e.Name, k)
		if k.Use == Next {
			f.next = max(f.next, o)
		} else {
			f.dkim = max(f.dkim, o)
		}
		if line != "" && (k.Use == Signing || e.Rotating) {
			f.dkimProblems = append(f.dkimProblems, line)
		}
	}
}

func (l looker) key(ctx context.Context, domain string, k Key) (outcome, string) {
	at := selectorName(k.Selector, domain)
	texts, _, err := l.dns.TXT(ctx, at)
	o := answered(err)
	switch {
	case o == unanswered:
		return o, noAnswer(at)
	case o == good && slices.ContainsFunc(texts, func(t string) bool { return sameKey(t, k.TXT) }):
		if len(texts) > 1 {
			// RFC 6376 section 3.6.2.2: the result of several is not defined.
			return missing, at + ": several TXT records; leave only the one with our key"
		}
		return good, ""
	case o == good:
		return missing, at + ": the TXT record holds another key"
	case !k.Easy || l.b.o.Service == "":
		return missing, at + ": no TXT record; publish what `sesame identity records` prints"
	}
	target := l.b.easyTarget(k.Selector)
	if to, _, err := l.dns.CNAME(ctx, at); err != nil || to != target {
		return missing, at + ": no CNAME to " + target
	}
	return missing, target + ": no TXT record; the operator publishes what `sesame service records` prints"
}

// sameKey compares the public keys in two records: the p= tag alone, since v= and
// k= may be left out (RFC 6376 section 3.6.1).
func sameKey(a, b string) bool {
	ka, kb := publicKey(a), publicKey(b)
	return ka != "" && ka == kb
}

func publicKey(txt string) string {
	for tag := range strings.SplitSeq(txt, ";") {
		name, value, _ := strings.Cut(tag, "=")
		if strings.TrimSpace(name) == "p" {
			return strings.Join(strings.Fields(value), "")
		}
	}
	return ""
}

// ownership looks whether whoever has the domain wants us: by the TXT record, by
// all three names of Easy DKIM, or by keys that nobody else has.
func (l looker) ownership(ctx context.Context, e *entry, f *findings) outcome {
	if f.dkim == good {
		return good
	}
	results := []outcome{l.token(ctx, tokenName(e.Name), "", e.Token), l.token(ctx, e.Name, tokenPrefix, e.Token)}
	if !slices.Contains(results, good) {
		// Tools that are made for SES publish the token where SES looks for it.
		results = append(results, l.token(ctx, sesTokenName(e.Name), "", e.Token))
	}
	if len(e.Easy) > 0 && l.b.o.Service != "" {
		o := good
		for _, s := range e.Easy {
			to, _, err := l.dns.CNAME(ctx, selectorName(s, e.Name))
			if one := answered(err); one != good {
				o = max(o, one)
			} else if to != l.b.easyTarget(s) {
				o = max(o, missing)
			}
		}
		results = append(results, o)
	}
	results = append(results, f.dkim)
	switch {
	case slices.Contains(results, good):
		return good
	case slices.Contains(results, unanswered):
		f.problems = append(f.problems, noAnswer(e.Name))
		return unanswered
	}
	line := fmt.Sprintf("%s: no TXT record with the text %s", tokenName(e.Name), e.Token)
	if len(e.Keys) > 0 {
		line = e.Name + ": not verified; publish the DKIM records, or as TXT at " + tokenName(e.Name) + " the text " + e.Token
	}
	f.problems = append(f.problems, line)
	return missing
}

func (l looker) token(ctx context.Context, at, prefix, token string) outcome {
	if token == "" {
		return missing
	}
	texts, _, err := l.dns.TXT(ctx, at)
	if o := answered(err); o != good {
		return o
	}
	for _, t := range texts {
		if strings.TrimSpace(t) == prefix+token {
			return good
		}
	}
	return missing
}

// mailFrom looks at a MAIL FROM domain: exactly one MX, to our feedback host, and
// an SPF record that lists us (spec section 4.7).
func (l looker) mailFrom(ctx context.Context, domain string, f *findings) outcome {
	note := func(line string) { f.mailFromProblems = append(f.mailFromProblems, domain+": "+line) }
	mxs, _, err := l.dns.MX(ctx, domain)
	o := answered(err)
	switch {
	case o == unanswered:
		note("DNS did not answer for MX")
	case o == missing:
		note("no MX record; publish 10 " + l.b.o.Feedback)
	case len(mxs) > 1:
		o = wrong
		note("several MX records; leave only the one to " + l.b.o.Feedback)
	case mxs[0].Host != strings.ToLower(l.b.o.Feedback):
		o = wrong
		note("the MX record does not point to " + l.b.o.Feedback)
	}
	so, line := l.spf(ctx, domain)
	f.mailFromProblems = append(f.mailFromProblems, line...)
	if o == good {
		o = so
	}
	return o
}

// spf looks for the one SPF record of a domain (RFC 7208 section 4.5) and whether
// it lists us. It reads the terms, and evaluates nothing.
func (l looker) spf(ctx context.Context, domain string) (outcome, []string) {
	texts, _, err := l.dns.TXT(ctx, domain)
	o := answered(err)
	if o == unanswered {
		return o, []string{noAnswer(domain)}
	}
	var found []string
	for _, t := range texts {
		if lower := strings.ToLower(t); lower == "v=spf1" || strings.HasPrefix(lower, "v=spf1 ") {
			found = append(found, lower)
		}
	}
	switch {
	case len(found) == 0:
		return missing, []string{domain + ": no SPF record; publish as TXT " + l.b.spf()}
	case len(found) > 1:
		return wrong, []string{domain + ": several SPF records, which count as an error; join them into one"}
	case !l.lists(found[0]):
		return missing, []string{domain + ": the SPF record does not list this server; add " + strings.Fields(l.b.spf())[1]}
	}
	return good, nil
}

func (l looker) lists(record string) bool {
	terms := strings.Fields(record)
	has := func(term string) bool {
		return slices.Contains(terms, term) || slices.Contains(terms, "+"+term)
	}
	o := l.b.o
	for _, d := range []string{o.Service, o.Host, o.Feedback} {
		if d = strings.ToLower(d); d != "" && (has("include:"+d) || has("redirect="+d) || has("a:"+d)) {
			return true
		}
	}
	for _, s := range o.Sources {
		if !has("ip4:"+s.Address.String()) && !has("ip6:"+s.Address.String()) {
			return false
		}
	}
	return len(o.Sources) > 0
}

// dmarc looks for a policy of the domain or of one above it.
func (l looker) dmarc(ctx context.Context, domain string) []string {
	for d := domain; strings.Contains(d, "."); _, d, _ = strings.Cut(d, ".") {
		texts, _, err := l.dns.TXT(ctx, "_dmarc."+d)
		if answered(err) == unanswered {
			return []string{noAnswer("_dmarc." + d)}
		}
		if slices.ContainsFunc(texts, func(t string) bool { return strings.HasPrefix(t, "v=DMARC1") }) {
			return nil
		}
	}
	return []string{"_dmarc." + domain + ": no DMARC record; publish as TXT v=DMARC1; p=none"}
}

// answered reads an error of a lookup: good, missing or unanswered.
func answered(err error) outcome {
	switch resolver.KindOf(err) {
	case 0:
		return good
	case resolver.NotFound, resolver.NoData, resolver.BadName:
		return missing
	case resolver.Failed, resolver.Refused:
	}
	return unanswered
}

func noAnswer(name string) string { return name + ": DNS did not answer; it is asked again" }
