package api

import (
	"context"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/account/template"
)

// Labels gives the tags of a resource of the caller's account.
func (r *Rooms) Labels(ctx context.Context, c *Call, arn string) (account.Labels, error) {
	kind, name, err := r.resource(c, arn)
	if err != nil {
		return nil, err
	}
	switch kind {
	case KindIdentity:
		i, err := r.Identity(c, name)
		return i.Labels, err
	case KindConfigSet:
		s, err := r.Set(c, name)
		return s.Labels, err
	case KindTemplate:
		t, err := r.Template(ctx, c, name)
		if err != nil {
			return nil, err
		}
		return t.Labels, nil
	}
	return nil, noResource(arn)
}

// SetLabels changes the tags of a resource of the caller's account by f.
func (r *Rooms) SetLabels(ctx context.Context, c *Call, arn string, f func(account.Labels) account.Labels) error {
	kind, name, err := r.resource(c, arn)
	if err != nil {
		return err
	}
	switch kind {
	case KindIdentity:
		_, err := r.ChangeIdentity(ctx, c, name, func(ctx context.Context, accountID, name string) (identity.Identity, error) {
			return r.Identities.SetLabels(ctx, accountID, name, f)
		})
		return err
	case KindConfigSet:
		return r.ChangeSet(ctx, c, name, func(s *configset.Set) { s.Labels = f(s.Labels) })
	case KindTemplate:
		_, err := r.Templates.Change(ctx, c.AccountID(), name, func(t *template.Template) { t.Labels = f(t.Labels) })
		return ofTemplate(err, name)
	}
	return noResource(arn)
}

// noResource is the answer to the ARN of something that has no tags here.
func noResource(arn string) error { return NotFound("Resource <" + arn + "> does not exist.") }

// SetDefaultSet gives an identity of the caller's account the configuration set for
// mail that names none, or with an empty one none.
func (r *Rooms) SetDefaultSet(ctx context.Context, c *Call, name, set string) error {
	if err := r.haveSet(c, set); err != nil {
		return err
	}
	_, err := r.ChangeIdentity(ctx, c, name, func(ctx context.Context, accountID, name string) (identity.Identity, error) {
		return r.Identities.SetDefaults(ctx, accountID, name, identity.Defaults{Set: &set})
	})
	return err
}

// haveSet says that a configuration set is not there; an empty name is none.
func (r *Rooms) haveSet(c *Call, set string) error {
	if set == "" {
		return nil
	}
	_, err := r.Set(c, set)
	return err
}
