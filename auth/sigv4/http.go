package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Service is the name that the signatures of both versions of the API are for
// (spec section 10.1), and Topics that of SNS.
const (
	Service = "ses"
	Topics  = "sns"
)

// The words of the protocol.
const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeForm   = "20060102T150405Z"
	dateForm   = "20060102"
)

// Bounds of a claim.
const (
	maxSigned = 100     // header fields named as signed
	maxAuth   = 8 << 10 // octets of the Authorization field
)

// maxLife is the longest life of a presigned request.
const maxLife = 7 * 24 * time.Hour

// Claim is what a signed request says of itself. Nothing of it is true before
// Verify has said so.
type Claim struct {
	AccessKeyID string
	// Time is that of the signature, Life how long a presigned request is good.
	Time time.Time
	Life time.Duration

	date, region, service, last string // of the scope
	signed                      []string
	signature                   string
	presigned                   bool
	payload                     string // X-Amz-Content-Sha256; empty: not sent
}

// Service gives the name of the service that the request is for.
func (c *Claim) Service() string { return c.service }

// Read reads the claim of a request, from its Authorization field or, presigned,
// from its query. The error is an *Error of the kinds Missing, Incomplete and
// UnknownKey.
func Read(r *http.Request) (*Claim, error) {
	fields := r.Header.Values("Authorization")
	query := r.URL.Query()
	presigned := query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature")
	switch {
	case len(fields) == 0 && !presigned:
		return nil, &Error{Missing, "Request is missing Authentication Token"}
	case len(fields) > 1 || len(fields) == 1 && presigned:
		return nil, &Error{Incomplete, "Request carries more than one signature."}
	case r.Header.Get("X-Amz-Security-Token") != "" || query.Has("X-Amz-Security-Token"):
		// There are no temporary credentials here.
		return nil, errKey
	}
	c := &Claim{presigned: presigned, payload: r.Header.Get("X-Amz-Content-Sha256")}
	var p map[string]string
	var err error
	if presigned {
		p, err = c.fromQuery(query)
	} else {
		p, err = c.fromField(fields[0], r.Header)
	}
	if err != nil {
		return nil, err
	}
	return c, c.fill(p)
}

// fill reads what both forms have alike.
func (c *Claim) fill(p map[string]string) error {
	c.signature = p["Signature"]
	c.signed = strings.Split(strings.ToLower(p["SignedHeaders"]), ";")
	if len(c.signed) > maxSigned || !slices.Contains(c.signed, "host") {
		return &Error{Mismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."}
	}
	scope := strings.Split(p["Credential"], "/")
	if len(scope) != 5 {
		return &Error{Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term."}
	}
	c.AccessKeyID, c.date, c.region, c.service, c.last = scope[0], scope[1], scope[2], scope[3], scope[4]
	return nil
}

// fromField reads the Authorization field.
func (c *Claim) fromField(field string, h http.Header) (map[string]string, error) {
	name, rest, _ := strings.Cut(field, " ")
	if name != algorithm || len(field) > maxAuth {
		return nil, &Error{Incomplete, "Authorization header requires a signature of the form " + algorithm + "."}
	}
	p := make(map[string]string, 3)
	for item := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(item), "=")
		p[key] = value
	}
	for _, need := range []string{"Credential", "Signature", "SignedHeaders"} {
		if p[need] == "" {
			return nil, &Error{Incomplete, "Authorization header requires '" + need + "' parameter."}
		}
	}
	var err error
	if c.Time, err = time.Parse(timeForm, h.Get("X-Amz-Date")); err != nil {
		return nil, &Error{Incomplete, "Authorization header requires existence of a 'X-Amz-Date' header in the form of ISO-8601 basic."}
	}
	return p, nil
}

// fromQuery reads the parameters of a presigned request.
func (c *Claim) fromQuery(q url.Values) (map[string]string, error) {
	if q.Get("X-Amz-Algorithm") != algorithm {
		return nil, &Error{Incomplete, "AWS query-string parameters must include 'X-Amz-Algorithm' with " + algorithm + "."}
	}
	p := make(map[string]string, 3)
	for _, need := range []string{"Credential", "Signature", "SignedHeaders", "Date"} {
		values := q["X-Amz-"+need]
		if len(values) != 1 || values[0] == "" || len(values[0]) > maxAuth {
			return nil, &Error{Incomplete, "AWS query-string parameters must include 'X-Amz-" + need + "'."}
		}
		p[need] = values[0]
	}
	var err error
	if c.Time, err = time.Parse(timeForm, p["Date"]); err != nil {
		return nil, &Error{Incomplete, "'X-Amz-Date' must be in the form of ISO-8601 basic."}
	}
	life, err := time.ParseDuration(q.Get("X-Amz-Expires") + "s")
	if err != nil || life < time.Second || life > maxLife || len(q["X-Amz-Expires"]) != 1 {
		return nil, &Error{Incomplete, "'X-Amz-Expires' must be a number of seconds from 1 to 604800."}
	}
	c.Life = life
	return p, nil
}
