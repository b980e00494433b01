//! Who is asking: tenant registry, visitor tokens, agents' JWT, origins, rate limits.
