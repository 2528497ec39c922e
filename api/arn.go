package api

import "strings"

// Kinds of resources in ARNs.
const (
	KindIdentity  = "identity"
	KindConfigSet = "configuration-set"
	KindTemplate  = "template"
)

// ARN gives that of a thing of the caller's account.
func (r *Rooms) ARN(c *Call, kind, name string) string {
	return r.arnPrefix(c) + kind + "/" + name
}

func (r *Rooms) arnPrefix(c *Call) string {
	return "arn:aws:ses:" + r.Region + ":" + c.AccountID() + ":"
}

// resource reads an ARN of a thing of the caller's account here.
func (r *Rooms) resource(c *Call, arn string) (kind, name string, err error) {
	rest, here := strings.CutPrefix(arn, r.arnPrefix(c))
	kind, name, found := strings.Cut(rest, "/")
	if !here || !found || name == "" {
		return "", "", BadParameter("Invalid ARN <" + arn + ">.")
	}
	return kind, name, nil
}

// identityName gives the name of an identity that may be given by its ARN, as
// version 1 allows.
func (r *Rooms) identityName(c *Call, text string) string {
	if kind, name, err := r.resource(c, text); err == nil && kind == KindIdentity {
		return name
	}
	return text
}
