package api

import (
	"context"
	"errors"
	"strings"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/identity"
)

// Identity gives an identity of the caller's account. Version 1 may name it by its
// ARN.
func (r *Rooms) Identity(c *Call, name string) (identity.Identity, error) {
	i, err := r.Identities.Get(c.AccountID(), r.identityName(c, name))
	return i, identityError(name, err)
}

// ChangeIdentity has f change an identity of the caller's account.
func (r *Rooms) ChangeIdentity(ctx context.Context, c *Call, name string,
	f func(ctx context.Context, accountID, name string) (identity.Identity, error)) (identity.Identity, error) {
	i, err := f(ctx, c.AccountID(), r.identityName(c, name))
	r.wake(err)
	return i, identityError(name, err)
}

// wake has somebody look for what an identity needs now.
func (r *Rooms) wake(err error) {
	if err == nil && r.Checker != nil {
		r.Checker.Wake()
	}
}

// AddIdentity makes an identity of the caller's account, and mails a link to an
// address.
func (r *Rooms) AddIdentity(ctx context.Context, c *Call, name string, o identity.AddOptions) (identity.Identity, error) {
	if err := identity.CheckName(name); err != nil {
		return identity.Identity{}, identityError(name, err)
	}
	if _, err := r.Identity(c, name); err == nil {
		return identity.Identity{}, identityError(name, account.ErrExists)
	}
	if err := r.haveSet(c, o.Set); err != nil {
		return identity.Identity{}, err
	}
	if err := r.canBegin(c, name, o.DKIM); err != nil {
		return identity.Identity{}, err
	}
	i, err := r.Identities.Add(ctx, c.AccountID(), name, o)
	if err == nil && !i.IsDomain() {
		if i, err = r.begin(ctx, i); err != nil {
			// So that the caller can try again as if nothing had been.
			_ = r.Identities.Remove(context.WithoutCancel(ctx), i.Account, i.Name)
		}
	}
	r.wake(err)
	return i, identityError(name, err)
}

// Verify begins the verification of an identity of the caller's account, which it
// makes when it is not there.
func (r *Rooms) Verify(ctx context.Context, c *Call, name string) (identity.Identity, error) {
	i, err := r.Identity(c, name)
	if err != nil {
		i, err = r.AddIdentity(ctx, c, name, identity.AddOptions{})
		return i, err
	}
	if err := r.canBegin(c, name, false); err != nil {
		return i, err
	}
	i, err = r.begin(ctx, i)
	r.wake(err)
	return i, identityError(name, err)
}

// errNoLinks says that an address cannot be verified by its owner.
var errNoLinks = BadParameter("This server mails no links, so its operator must verify email addresses.")

// canBegin says why a verification cannot begin now.
func (r *Rooms) canBegin(c *Call, name string, keys bool) error {
	switch {
	case !strings.Contains(name, "@") && keys:
		return c.SpendKeys()
	case !strings.Contains(name, "@"):
		return nil
	case r.MailLink == nil:
		return errNoLinks
	}
	return c.SpendLink()
}

// begin begins a verification anew, unless there is none to begin: the identity is
// verified, or a link was mailed a moment ago.
func (r *Rooms) begin(ctx context.Context, i identity.Identity) (identity.Identity, error) {
	now, link, err := r.Identities.Restart(ctx, i.Account, i.Name)
	switch {
	case errors.Is(err, identity.ErrSetting):
		return i, nil
	case err != nil:
		return i, err
	case link != "":
		err = r.MailLink(ctx, now, link)
	}
	return now, err
}

// UseEasy gives a domain of the caller's account Easy DKIM.
func (r *Rooms) UseEasy(ctx context.Context, c *Call, name string) (identity.Identity, error) {
	i, err := r.Identity(c, name)
	if err != nil {
		return i, err
	}
	if !i.Plan().Easy {
		if err := c.SpendKeys(); err != nil {
			return i, err
		}
	}
	return r.ChangeIdentity(ctx, c, name, r.Identities.UseEasy)
}

// EasyTokens gives the names of Easy DKIM for a domain, which it adds when it is not
// there.
func (r *Rooms) EasyTokens(ctx context.Context, c *Call, domain string) ([]string, error) {
	if _, err := r.Verify(ctx, c, domain); err != nil {
		return nil, err
	}
	i, err := r.UseEasy(ctx, c, domain)
	return i.Easy, err
}

// DropIdentity ends an identity of the caller's account, if it is there.
func (r *Rooms) DropIdentity(ctx context.Context, c *Call, name string) error {
	err := r.Identities.Remove(ctx, c.AccountID(), r.identityName(c, name))
	if errors.Is(err, account.ErrNotFound) || errors.Is(err, identity.ErrName) {
		return nil
	}
	return err
}

// RemoveIdentity ends an identity of the caller's account.
func (r *Rooms) RemoveIdentity(ctx context.Context, c *Call, name string) error {
	return identityError(name, r.Identities.Remove(ctx, c.AccountID(), r.identityName(c, name)))
}

// Plan gives how an identity is to be signed.
func (r *Rooms) Plan(i identity.Identity) identity.Plan {
	domain, ok := r.Identities.KeyOwner(i)
	if !ok {
		return identity.Plan{State: identity.NotStarted, Easy: true}
	}
	return domain.Plan()
}

// SetMailFrom gives an identity of the caller's account a MAIL FROM domain, or with
// an empty one takes it away.
func (r *Rooms) SetMailFrom(ctx context.Context, c *Call, name, domain string, reject bool) error {
	_, err := r.ChangeIdentity(ctx, c, name, func(ctx context.Context, accountID, name string) (identity.Identity, error) {
		i, err := r.Identities.SetMailFrom(ctx, accountID, name, domain, reject)
		if errors.Is(err, identity.ErrNotUnder) {
			return i, BadParameter("Provided MAIL-FROM domain <" + domain + "> is not subdomain of the domain of the identity <" +
				name[strings.LastIndexByte(name, '@')+1:] + ">.")
		}
		return i, err
	})
	return err
}

// SetDKIM turns the signing of mail of an identity of the caller's account on or
// off.
func (r *Rooms) SetDKIM(ctx context.Context, c *Call, name string, on bool) error {
	to := identity.Off
	if on {
		to = identity.On
	}
	_, err := r.ChangeIdentity(ctx, c, name, func(ctx context.Context, accountID, name string) (identity.Identity, error) {
		return r.Identities.SetSign(ctx, accountID, name, to)
	})
	return err
}

// maxShown bounds in octets what of a caller's name is said back.
const maxShown = 320

// identityError gives an error of the book in the words of the API.
func identityError(name string, err error) error {
	if err == nil {
		return nil
	}
	name = name[:min(len(name), maxShown)]
	switch {
	case errors.Is(err, account.ErrNotFound):
		return &Error{Query: Shape{400, "InvalidParameterValue"}, Message: "Identity <" + name + "> does not exist.",
			REST: Shape{404, "NotFoundException"}, RESTMessage: "Email identity " + name + " does not exist."}
	case errors.Is(err, account.ErrExists):
		return Exists("Email identity " + name + " already exist.")
	case errors.Is(err, identity.ErrName) && strings.Contains(name, "@"):
		return BadParameter("Invalid email address<" + name + ">.")
	case errors.Is(err, identity.ErrName):
		return BadParameter("Invalid domain name <" + name + ">.")
	case errors.Is(err, identity.ErrLimit):
		return Limit(err.Error())
	case errors.Is(err, identity.ErrSetting), errors.Is(err, account.ErrLabels):
		return BadParameter(err.Error())
	}
	return err
}
