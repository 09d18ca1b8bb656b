/// The address of Redis, for the programs that can use it, to be flattened into the program's own arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct RedisArgs {
    /// redis://HOST:PORT of Redis. The program also works without it
    #[arg(long, env, value_name = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
}

impl RedisArgs {
    /// The URL, if it is set.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        // An empty value counts as not set.
        self.redis_url.as_deref().filter(|url| !url.is_empty())
    }
}
