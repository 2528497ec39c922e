package sesv2

import (
	"context"
	"maps"
	"slices"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/api"
)

// resourceTag is a label of a thing.
type resourceTag struct {
	Key   string `api:"required"`
	Value string
}

// labels gives tags of a resource for the books; the last of a key counts.
func labels(list []resourceTag) account.Labels {
	if len(list) == 0 {
		return nil
	}
	out := make(account.Labels, len(list))
	for _, t := range list {
		out[t.Key] = t.Value
	}
	return out
}

// resourceTags gives labels as tags of a resource, in the order of their keys.
func resourceTags(l account.Labels) []resourceTag {
	out := make([]resourceTag, 0, len(l))
	for _, key := range slices.Sorted(maps.Keys(l)) {
		out = append(out, resourceTag{key, l[key]})
	}
	return out
}

type tagResourceRequest struct {
	ResourceArn string        `api:"required"`
	Tags        []resourceTag `api:"required"`
}

func (s *Server) tagResource(ctx context.Context, c *api.Call, in *tagResourceRequest) (*none, error) {
	return &none{}, s.r.SetLabels(ctx, c, in.ResourceArn, func(l account.Labels) account.Labels { return l.With(labels(in.Tags)) })
}

type untagResourceRequest struct {
	ResourceArn string   `query:"ResourceArn" api:"required"`
	TagKeys     []string `query:"TagKeys" api:"required"`
}

func (s *Server) untagResource(ctx context.Context, c *api.Call, in *untagResourceRequest) (*none, error) {
	return &none{}, s.r.SetLabels(ctx, c, in.ResourceArn, func(l account.Labels) account.Labels { return l.Without(in.TagKeys) })
}

type listTagsForResourceRequest struct {
	ResourceArn string `query:"ResourceArn" api:"required"`
}

type listTagsForResourceResult struct {
	Tags []resourceTag
}

func (s *Server) listTagsForResource(ctx context.Context, c *api.Call, in *listTagsForResourceRequest) (*listTagsForResourceResult, error) {
	l, err := s.r.Labels(ctx, c, in.ResourceArn)
	return &listTagsForResourceResult{resourceTags(l)}, err
}
