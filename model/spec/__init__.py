"""The words of the domain, free of torch: schema, configurations, label ratios, report, errors."""
