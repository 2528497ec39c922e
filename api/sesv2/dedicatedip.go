package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

type dedicatedIP struct {
	Ip               string
	PoolName         string
	WarmupStatus     string
	WarmupPercentage int
}

// dedicated shows a source. There is no warm-up, so it is at its end.
func dedicated(s api.Source) dedicatedIP {
	return dedicatedIP{Ip: s.Address.String(), PoolName: s.Pool, WarmupStatus: "DONE", WarmupPercentage: 100}
}

type getDedicatedIPRequest struct {
	Ip string `path:"Ip" api:"required"`
}

type getDedicatedIPResult struct{ DedicatedIp dedicatedIP }

func (s *Server) getDedicatedIP(_ context.Context, _ *api.Call, in *getDedicatedIPRequest) (*getDedicatedIPResult, error) {
	source, err := s.r.Dedicated(in.Ip)
	if err != nil {
		return nil, err
	}
	return &getDedicatedIPResult{dedicated(source)}, nil
}

type getDedicatedIPsRequest struct {
	PoolName  string `query:"PoolName"`
	NextToken string `query:"NextToken"`
	PageSize  int    `query:"PageSize"`
}

type getDedicatedIPsResult struct {
	DedicatedIps []dedicatedIP
	NextToken    string `json:",omitempty"`
}

func (s *Server) getDedicatedIPs(_ context.Context, _ *api.Call, in *getDedicatedIPsRequest) (*getDedicatedIPsResult, error) {
	list, next, err := s.r.DedicatedIn(in.PoolName, in.NextToken, in.PageSize)
	if err != nil {
		return nil, err
	}
	out := &getDedicatedIPsResult{DedicatedIps: []dedicatedIP{}, NextToken: next}
	for _, source := range list {
		out.DedicatedIps = append(out.DedicatedIps, dedicated(source))
	}
	return out, nil
}

type getDedicatedIPPoolRequest struct {
	PoolName string `path:"PoolName" api:"required"`
}

type getDedicatedIPPoolResult struct {
	DedicatedIpPool struct{ PoolName, ScalingMode string }
}

func (s *Server) getDedicatedIPPool(_ context.Context, _ *api.Call, in *getDedicatedIPPoolRequest) (*getDedicatedIPPoolResult, error) {
	if err := s.r.Pool(in.PoolName); err != nil {
		return nil, err
	}
	out := &getDedicatedIPPoolResult{}
	out.DedicatedIpPool.PoolName, out.DedicatedIpPool.ScalingMode = in.PoolName, "STANDARD"
	return out, nil
}

type listDedicatedIPPoolsRequest struct {
	NextToken string `query:"NextToken"`
	PageSize  int    `query:"PageSize"`
}

type listDedicatedIPPoolsResult struct {
	DedicatedIpPools []string
	NextToken        string `json:",omitempty"`
}

func (s *Server) listDedicatedIPPools(_ context.Context, _ *api.Call, in *listDedicatedIPPoolsRequest) (*listDedicatedIPPoolsResult, error) {
	list, next, err := s.r.Pools(in.NextToken, in.PageSize)
	if err != nil {
		return nil, err
	}
	return &listDedicatedIPPoolsResult{list, next}, nil
}
